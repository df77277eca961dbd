variable "project" {
  description = "The id of the Google Cloud project."
  type        = string
}

variable "region" {
  description = "Where it all runs, such as europe-west1."
  type        = string
}

variable "name" {
  description = "What the names of everything begin with; at most 20 characters."
  type        = string
  default     = "digits"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.name))
    error_message = "Lower-case letters, digits and hyphens, at most 20, beginning with a letter."
  }
}

variable "backend_image" {
  description = "The image of backend/Dockerfile, with its tag."
  type        = string
}

variable "page_image" {
  description = "The image of frontend/Dockerfile, with its tag."
  type        = string
}

variable "migrate_image" {
  description = "The image of db/Dockerfile, with its tag."
  type        = string
}

variable "gallery" {
  description = "Which sketches visitors see: all, or approved ones."
  type        = string
  default     = "approved"

  validation {
    condition     = contains(["all", "approved"], var.gallery)
    error_message = "all or approved."
  }
}

variable "allowed_hosts" {
  description = "The names that page and API answer to, with commas between."
  type        = string
  default     = "*.run.app"
}

variable "settings" {
  description = "Other settings of the backend, as in .env.example."
  type        = map(string)
  default     = {}
}

variable "database_tier" {
  description = "The machine type of Cloud SQL."
  type        = string
  default     = "db-custom-1-3840"
}

variable "max_connections" {
  description = "How many connections Postgres accepts."
  type        = number
  default     = 100
}

variable "max_backends" {
  description = "How many backends run at most; one at least."
  type        = number
  default     = 4
}

variable "max_pages" {
  description = "How many pages run at most; one at least."
  type        = number
  default     = 2
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the database."
  type        = bool
  default     = true
}
