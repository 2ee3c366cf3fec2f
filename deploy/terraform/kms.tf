# Wraps the master key of archives (archive.encryption.kms). Without it, or once its version is destroyed, no archive that
# it wrapped can be read by anybody.

resource "google_kms_key_ring" "archive" {
  count    = var.archive_key_location == null ? 0 : 1
  project  = var.project
  name     = var.account_id
  location = var.archive_key_location
}

resource "google_kms_crypto_key" "archive" {
  count           = var.archive_key_location == null ? 0 : 1
  name            = "archive"
  key_ring        = google_kms_key_ring.archive[0].id
  purpose         = "ENCRYPT_DECRYPT"
  rotation_period = "7776000s" # 90 days; older versions go on unwrapping

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "gateway" {
  count         = var.archive_key_location == null ? 0 : 1
  crypto_key_id = google_kms_crypto_key.archive[0].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = google_service_account.gateway.member
}
