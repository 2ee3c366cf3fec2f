variable "project" {
  type        = string
  description = "Project in which the gateway's jobs run and are paid for, and in which all below is made."
}

variable "account_id" {
  type        = string
  description = "Name of the gateway's service account."
  default     = "bqtape"
}

variable "read_datasets" {
  type        = set(string)
  description = "Datasets that agents may read by the gateway: \"dataset\" of this project, or \"project.dataset\"."
  default     = []
}

variable "write_datasets" {
  type        = set(string)
  description = "Datasets that agents may also change. What they may do there is the gateway's policy to say."
  default     = []
}

variable "reconcile" {
  type        = bool
  description = "Let the gateway's account list everybody's jobs, which bqtape reconcile needs."
  default     = false
}

variable "workload_identity" {
  type = object({
    namespace       = string
    service_account = string
    pool            = optional(string)
  })
  description = "Kubernetes service account that may act as the gateway's, so that there is no key; pool: default PROJECT.svc.id.goog."
  default     = null
}

variable "token_creators" {
  type        = set(string)
  description = "Principals that may make tokens of the gateway's account (credential: { type: impersonate })."
  default     = []
}

variable "location" {
  type        = string
  description = "Where the datasets below are, such as EU. It cannot be changed afterwards."
  default     = "EU"
}

variable "audit_dataset" {
  type        = string
  description = "Dataset for bqtape archive --from kafka --to bigquery; null: none."
  default     = null
}

variable "archive_workload_identity" {
  type = object({
    namespace       = string
    service_account = string
    pool            = optional(string)
  })
  description = "Kubernetes service account that may act as the archive's, which loads the audit dataset; pool: default PROJECT.svc.id.goog."
  default     = null
}

variable "archive_token_creators" {
  type        = set(string)
  description = "Principals that may make tokens of the archive's account (credential: { type: impersonate })."
  default     = []
}

variable "audit_readers" {
  type        = set(string)
  description = "Principals that may read the audit dataset and the audit logs: \"group:audit@example.com\"."
  default     = []
}

variable "audit_log_dataset" {
  type        = string
  description = "Dataset into which Cloud Audit Logs of BigQuery are routed, to compare recordings with; null: none."
  default     = null
}

variable "audit_log_retention_days" {
  type        = number
  description = "After how many days routed audit logs go; null: never."
  default     = 400
}

variable "archive_key_location" {
  type        = string
  description = "Location of a Cloud KMS key for archive.encryption.kms, such as europe; null: no key."
  default     = null
}
