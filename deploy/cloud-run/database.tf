# --- Postgres ---------------------------------------------------------------------------------------

resource "google_sql_database_instance" "db" {
  name                = var.name
  database_version    = "POSTGRES_17"
  deletion_protection = var.deletion_protection

  settings {
    edition           = "ENTERPRISE"
    tier              = var.database_tier
    availability_type = "ZONAL"
    disk_autoresize   = true

    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
    }

    ip_configuration {
      # no network is authorised: only Cloud SQL's own connectors get in, whom IAM lets through
      ipv4_enabled = true
      ssl_mode     = "ENCRYPTED_ONLY"
    }

    database_flags {
      name  = "max_connections"
      value = var.max_connections
    }
  }

  depends_on = [google_project_service.needed]
}

resource "google_sql_database" "digits" {
  name     = "digits"
  instance = google_sql_database_instance.db.name
}

# the owner of the tables, whom only the migration signs in as; it makes the backend's role
resource "google_sql_user" "owner" {
  name     = "digits"
  instance = google_sql_database_instance.db.name
  password = random_password.secret["postgres-password"].result
}

resource "google_project_iam_member" "connects" {
  for_each = toset(["backend", "migrate"])
  project  = var.project
  role     = "roles/cloudsql.client"
  member   = google_service_account.runs[each.key].member
}

# --- secrets ----------------------------------------------------------------------------------------

locals {
  # who may read which
  secrets = {
    postgres-password = ["migrate"]
    db-password       = ["migrate", "backend"]
    admin-token       = ["backend"]
    proxy-secret      = ["backend", "page"]
  }
  readers = merge([for secret, names in local.secrets : {
    for name in names : "${secret}:${name}" => { secret = secret, name = name }
  }]...)
}

resource "random_password" "secret" {
  for_each = local.secrets
  length   = 40
  special  = false
}

resource "google_secret_manager_secret" "secret" {
  for_each  = local.secrets
  secret_id = "${var.name}-${each.key}"

  replication {
    auto {}
  }

  depends_on = [google_project_service.needed]
}

resource "google_secret_manager_secret_version" "secret" {
  for_each    = local.secrets
  secret      = google_secret_manager_secret.secret[each.key].id
  secret_data = random_password.secret[each.key].result
}

resource "google_secret_manager_secret_iam_member" "reads" {
  for_each  = local.readers
  secret_id = google_secret_manager_secret.secret[each.value.secret].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.runs[each.value.name].member
}
