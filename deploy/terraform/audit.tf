# The warehouse of recordings: its writer is an account of its own, so that the gateway cannot change what it has recorded.

resource "google_bigquery_dataset" "audit" {
  count         = var.audit_dataset == null ? 0 : 1
  project       = var.project
  dataset_id    = var.audit_dataset
  location      = var.location
  friendly_name = "bqtape recordings"
  description   = "What agents did, as bqtape archive --to bigquery loads it. The evidence is in Kafka and in tapes."

  delete_contents_on_destroy = false
}

resource "google_service_account" "archive" {
  count        = var.audit_dataset == null ? 0 : 1
  project      = var.project
  account_id   = "${var.account_id}-archive"
  display_name = "bqtape, the reader that loads recordings into BigQuery"
}

resource "google_service_account_iam_member" "archive_workload_identity" {
  count              = var.audit_dataset == null || var.archive_workload_identity == null ? 0 : 1
  service_account_id = google_service_account.archive[0].name
  role               = "roles/iam.workloadIdentityUser"
  member = format(
    "serviceAccount:%s[%s/%s]",
    coalesce(var.archive_workload_identity.pool, "${var.project}.svc.id.goog"),
    var.archive_workload_identity.namespace,
    var.archive_workload_identity.service_account,
  )
}

resource "google_service_account_iam_member" "archive_token_creator" {
  for_each           = var.audit_dataset == null ? toset([]) : var.archive_token_creators
  service_account_id = google_service_account.archive[0].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = each.value
}

resource "google_project_iam_member" "archive" {
  count   = var.audit_dataset == null ? 0 : 1
  project = var.project
  role    = "roles/bigquery.jobUser"
  member  = google_service_account.archive[0].member
}

resource "google_bigquery_dataset_iam_member" "archive" {
  count      = var.audit_dataset == null ? 0 : 1
  project    = var.project
  dataset_id = google_bigquery_dataset.audit[0].dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = google_service_account.archive[0].member
}

resource "google_bigquery_dataset_iam_member" "audit_readers" {
  for_each   = var.audit_dataset == null ? toset([]) : var.audit_readers
  project    = var.project
  dataset_id = google_bigquery_dataset.audit[0].dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = each.value
}

# Google's own record of the same, to compare with: every job in the project, whoever asked for it.

resource "google_bigquery_dataset" "audit_log" {
  count         = var.audit_log_dataset == null ? 0 : 1
  project       = var.project
  dataset_id    = var.audit_log_dataset
  location      = var.location
  friendly_name = "Cloud Audit Logs of BigQuery"

  default_partition_expiration_ms = var.audit_log_retention_days == null ? null : var.audit_log_retention_days * 24 * 60 * 60 * 1000
  delete_contents_on_destroy      = false
}

resource "google_logging_project_sink" "audit_log" {
  count       = var.audit_log_dataset == null ? 0 : 1
  project     = var.project
  name        = "${var.account_id}-bigquery-audit"
  description = "Jobs and reads of BigQuery, and uses of the gateway's account: what of them bqtape does not have went past it."
  destination = "bigquery.googleapis.com/projects/${var.project}/datasets/${google_bigquery_dataset.audit_log[0].dataset_id}"
  filter      = <<-EOT
    log_id("cloudaudit.googleapis.com/data_access")
    AND (
      protoPayload.serviceName="bigquery.googleapis.com"
      OR protoPayload.serviceName="bigquerystorage.googleapis.com"
      OR (
        protoPayload.serviceName="iamcredentials.googleapis.com"
        AND protoPayload.resourceName:"${google_service_account.gateway.unique_id}"
      )
    )
  EOT

  unique_writer_identity = true

  bigquery_options {
    use_partitioned_tables = true
  }
}

resource "google_bigquery_dataset_iam_member" "audit_log_writer" {
  count      = var.audit_log_dataset == null ? 0 : 1
  project    = var.project
  dataset_id = google_bigquery_dataset.audit_log[0].dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = google_logging_project_sink.audit_log[0].writer_identity
}

resource "google_bigquery_dataset_iam_member" "audit_log_readers" {
  for_each   = var.audit_log_dataset == null ? toset([]) : var.audit_readers
  project    = var.project
  dataset_id = google_bigquery_dataset.audit_log[0].dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = each.value
}

# Tokens made of the gateway's account by others are told only where IAM's Data Access logs are on; BigQuery's always are. It is
# IAM Credentials that tells them, but its logs cannot be turned on by themselves: they go with those of IAM. Google's list of its
# methods has had them as either type.
resource "google_project_iam_audit_config" "iam" {
  count   = var.audit_log_dataset == null ? 0 : 1
  project = var.project
  service = "iam.googleapis.com"

  audit_log_config {
    log_type = "ADMIN_READ"
  }

  audit_log_config {
    log_type = "DATA_READ"
  }
}
