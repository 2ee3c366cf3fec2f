-- Statements and where their time went, in milliseconds: sort by total.
SELECT
  time,
  user,
  session,
  exchange,
  job,
  statement_type,
  outcome,
  status,
  phases.total AS total,
  phases.decide AS decide,
  phases.commit AS commit_request,
  phases.upstreamFirstByte AS bigquery_first_byte,
  phases.upstream AS bigquery_rest,
  phases.release AS release,
  bytes_processed,
  total_rows,
  sql
FROM `{dataset}.exchanges`
WHERE operation IN ('jobs.query', 'jobs.insert') AND phases.total IS NOT NULL
