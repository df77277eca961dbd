# Digit recogniser on Cloud Run: backend, page, and a job that brings the database (Cloud SQL) up to date. See README.md.

terraform {
  required_version = ">= 1.5"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.0, < 8.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.5"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
}

resource "google_project_service" "needed" {
  for_each           = toset(["run", "sqladmin", "secretmanager"])
  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false
}

# one identity for each, which may do only what that one needs
resource "google_service_account" "runs" {
  for_each     = toset(["backend", "page", "migrate"])
  account_id   = "${var.name}-${each.key}"
  display_name = "Digit recogniser: ${each.key}"
}
