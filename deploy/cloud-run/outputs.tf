output "page" {
  description = "Where to draw."
  value       = google_cloud_run_v2_service.page.uri
}

output "api" {
  description = "Where the API is; its documentation is at /docs."
  value       = google_cloud_run_v2_service.backend.uri
}

output "migrate" {
  description = "Brings the database up to date."
  value       = "gcloud run jobs execute ${google_cloud_run_v2_job.migrate.name} --region ${var.region} --project ${var.project} --wait"
}

output "admin_token" {
  description = "For reviewers: terraform output -raw admin_token"
  value       = random_password.secret["admin-token"].result
  sensitive   = true
}
