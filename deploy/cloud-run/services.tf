locals {
  # where the volume below shows the database's Unix socket
  socket = "/cloudsql/${google_sql_database_instance.db.connection_name}"
  secret = { for name, version in google_secret_manager_secret_version.secret : name => {
    id = google_secret_manager_secret.secret[name].secret_id, version = version.version
  } }
}

# --- the schema: `gcloud run jobs execute`, before each new release ----------------------------------

resource "google_cloud_run_v2_job" "migrate" {
  name                = "${var.name}-migrate"
  location            = var.region
  deletion_protection = false

  template {
    template {
      service_account = google_service_account.runs["migrate"].email
      max_retries     = 1
      timeout         = "600s"

      containers {
        image = var.migrate_image

        dynamic "env" {
          for_each = {
            PGHOST     = local.socket
            PGUSER     = google_sql_user.owner.name
            PGDATABASE = google_sql_database.digits.name
            DB_USER    = "digits_app"
          }
          content {
            name  = env.key
            value = env.value
          }
        }
        dynamic "env" {
          for_each = { PGPASSWORD = "postgres-password", DB_PASSWORD = "db-password" }
          content {
            name = env.key
            value_source {
              secret_key_ref {
                secret  = local.secret[env.value].id
                version = local.secret[env.value].version
              }
            }
          }
        }
        volume_mounts {
          name       = "cloudsql"
          mount_path = "/cloudsql"
        }
      }
      volumes {
        name = "cloudsql"
        cloud_sql_instance {
          instances = [google_sql_database_instance.db.connection_name]
        }
      }
    }
  }

  depends_on = [google_secret_manager_secret_iam_member.reads, google_project_iam_member.connects]
}

# --- the backend ------------------------------------------------------------------------------------

resource "google_cloud_run_v2_service" "backend" {
  name                = "${var.name}-backend"
  location            = var.region
  deletion_protection = false

  template {
    service_account                  = google_service_account.runs["backend"].email
    timeout                          = "300s" # an import of 100 MB
    max_instance_request_concurrency = 64

    scaling {
      min_instance_count = 1
      max_instance_count = var.max_backends
    }

    containers {
      image = var.backend_image

      ports {
        container_port = 8080 # Cloud Run tells it to the container as PORT
      }
      resources {
        limits = { cpu = "1", memory = "1Gi" }
        # between two requests, too: a promotion is followed, and the log of answers written, in the background
        cpu_idle          = false
        startup_cpu_boost = true
      }
      startup_probe {
        period_seconds    = 2
        failure_threshold = 60
        http_get {
          path = "/health/live"
        }
      }
      liveness_probe {
        period_seconds  = 10
        timeout_seconds = 5
        http_get {
          path = "/health/live"
        }
      }

      dynamic "env" {
        for_each = merge({
          DB_HOST       = local.socket
          POSTGRES_DB   = google_sql_database.digits.name
          DB_USER       = "digits_app"
          GALLERY       = var.gallery
          ALLOWED_HOSTS = var.allowed_hosts
          LOG_FORMAT    = "json"
          WORKERS       = "1" # one core
        }, var.settings)
        content {
          name  = env.key
          value = env.value
        }
      }
      dynamic "env" {
        for_each = { DB_PASSWORD = "db-password", ADMIN_TOKEN = "admin-token", PROXY_SECRET = "proxy-secret" }
        content {
          name = env.key
          value_source {
            secret_key_ref {
              secret  = local.secret[env.value].id
              version = local.secret[env.value].version
            }
          }
        }
      }
      volume_mounts {
        name       = "cloudsql"
        mount_path = "/cloudsql"
      }
    }
    volumes {
      name = "cloudsql"
      cloud_sql_instance {
        instances = [google_sql_database_instance.db.connection_name]
      }
    }
  }

  lifecycle {
    precondition {
      # each keeps up to 8 connections, and while a new revision takes over there are twice as many; 20 for people and jobs
      condition     = 2 * 8 * var.max_backends + 20 <= var.max_connections
      error_message = "max_backends needs more connections than max_connections allows."
    }
  }

  depends_on = [google_secret_manager_secret_iam_member.reads, google_project_iam_member.connects]
}

# --- the page ---------------------------------------------------------------------------------------

resource "google_cloud_run_v2_service" "page" {
  name                = "${var.name}-page"
  location            = var.region
  deletion_protection = false

  template {
    service_account                  = google_service_account.runs["page"].email
    timeout                          = "3600s" # of a websocket; the browser then connects again
    max_instance_request_concurrency = 200     # a visitor keeps a websocket open
    session_affinity                 = true    # what is uploaded belongs to one instance

    scaling {
      min_instance_count = 1
      max_instance_count = var.max_pages
    }

    containers {
      image = var.page_image

      ports {
        container_port = 8080
      }
      resources {
        limits            = { cpu = "1", memory = "1Gi" }
        cpu_idle          = false
        startup_cpu_boost = true
      }
      startup_probe {
        period_seconds    = 2
        failure_threshold = 60
        http_get {
          path = "/_stcore/health"
        }
      }
      liveness_probe {
        period_seconds  = 10
        timeout_seconds = 5
        http_get {
          path = "/_stcore/health"
        }
      }

      env {
        name  = "BACKEND_URL"
        value = google_cloud_run_v2_service.backend.uri
      }
      env {
        name  = "ALLOWED_HOSTS"
        value = var.allowed_hosts
      }
      env {
        name = "PROXY_SECRET"
        value_source {
          secret_key_ref {
            secret  = local.secret["proxy-secret"].id
            version = local.secret["proxy-secret"].version
          }
        }
      }
    }
  }

  depends_on = [google_secret_manager_secret_iam_member.reads]
}

# both are for everybody: whoever administers sends ADMIN_TOKEN
resource "google_cloud_run_v2_service_iam_member" "everybody" {
  for_each = { backend = google_cloud_run_v2_service.backend.name, page = google_cloud_run_v2_service.page.name }
  name     = each.value
  location = var.region
  role     = "roles/run.invoker"
  member   = "allUsers"
}
