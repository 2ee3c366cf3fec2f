output "service_account" {
  description = "The gateway's account: annotation iam.gke.io/gcp-service-account of the chart's serviceAccount, or target of impersonate."
  value       = google_service_account.gateway.email
}

output "archive_service_account" {
  description = "The account that loads recordings into the audit dataset; null without one."
  value       = one(google_service_account.archive[*].email)
}

output "audit_dataset" {
  description = "For bqtape archive --to bigquery --dataset; null without one."
  value       = one([for dataset in google_bigquery_dataset.audit : "${dataset.project}.${dataset.dataset_id}"])
}

output "archive_kms_key" {
  description = "For archive.encryption.kms; null without a key."
  value       = one(google_kms_crypto_key.archive[*].id)
}
