# The one account that BigQuery sees. It has no key: run the gateway as it (workload identity), or let another
# account impersonate it. A key, where there must be one, is made by hand and is nobody's state file.

resource "google_service_account" "gateway" {
  project      = var.project
  account_id   = var.account_id
  display_name = "bqtape, the recording gateway"
  description  = "What agents' requests to BigQuery are made with. Nobody else should use it: see the audit log sink."
}

# What a gateway uses of roles/bigquery.jobUser and roles/bigquery.readSessionUser.
resource "google_project_iam_custom_role" "gateway" {
  project     = var.project
  role_id     = "${replace(var.account_id, "-", "_")}_gateway"
  title       = "bqtape gateway"
  description = "Run jobs, and read tables by the Storage API. What data, each dataset says."
  permissions = concat(
    [
      "bigquery.jobs.create",
      "bigquery.readsessions.create",
      "bigquery.readsessions.getData",
      "bigquery.readsessions.update",
    ],
    var.reconcile ? ["bigquery.jobs.listAll"] : [],
  )
}

resource "google_project_iam_member" "gateway" {
  project = var.project
  role    = google_project_iam_custom_role.gateway.id
  member  = google_service_account.gateway.member
}

locals {
  # "dataset" or "project.dataset", whatever is in a dataset's own name.
  datasets = {
    for name in setunion(var.read_datasets, var.write_datasets) : name => {
      project = length(split(".", name)) > 1 ? split(".", name)[0] : var.project
      dataset = reverse(split(".", name))[0]
    }
  }
}

resource "google_bigquery_dataset_iam_member" "read" {
  for_each   = local.datasets
  project    = each.value.project
  dataset_id = each.value.dataset
  role       = "roles/bigquery.dataViewer"
  member     = google_service_account.gateway.member
}

resource "google_bigquery_dataset_iam_member" "write" {
  for_each   = { for name, dataset in local.datasets : name => dataset if contains(var.write_datasets, name) }
  project    = each.value.project
  dataset_id = each.value.dataset
  role       = "roles/bigquery.dataEditor"
  member     = google_service_account.gateway.member
}

resource "google_service_account_iam_member" "workload_identity" {
  count              = var.workload_identity == null ? 0 : 1
  service_account_id = google_service_account.gateway.name
  role               = "roles/iam.workloadIdentityUser"
  member = format(
    "serviceAccount:%s[%s/%s]",
    coalesce(var.workload_identity.pool, "${var.project}.svc.id.goog"),
    var.workload_identity.namespace,
    var.workload_identity.service_account,
  )
}

resource "google_service_account_iam_member" "token_creator" {
  for_each           = var.token_creators
  service_account_id = google_service_account.gateway.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = each.value
}
