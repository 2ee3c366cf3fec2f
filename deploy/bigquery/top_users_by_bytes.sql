-- Who reads most, by day: what their statements made BigQuery read, and bytes of answers.
WITH
  asked AS (
    SELECT
      DATE(time) AS day,
      user,
      COUNT(*) AS exchanges,
      COUNT(DISTINCT session) AS sessions,
      COUNTIF(operation IN ('jobs.query', 'jobs.insert')) AS statements,
      SUM(response_bytes) AS bytes_answered
    FROM `{dataset}.exchanges`
    GROUP BY day, user
  ),
  -- Each answer about a job tells its size again: it counts once. Dry runs tell the size of what did not run.
  jobs AS (
    SELECT
      DATE(MIN(time)) AS day,
      user,
      COALESCE(job, query_id, exchange) AS job_or_query,
      MAX(bytes_processed) AS bytes_processed
    FROM `{dataset}.exchanges`
    WHERE bytes_processed IS NOT NULL AND NOT IFNULL(dry_run, FALSE)
    GROUP BY user, job_or_query
  ),
  processed AS (
    SELECT day, user, SUM(bytes_processed) AS bytes_processed
    FROM jobs
    GROUP BY day, user
  )
SELECT
  asked.day,
  asked.user,
  asked.exchanges,
  asked.sessions,
  asked.statements,
  IFNULL(processed.bytes_processed, 0) AS bytes_processed,
  asked.bytes_answered
FROM asked
LEFT JOIN processed
  ON processed.day = asked.day AND IFNULL(processed.user, '') = IFNULL(asked.user, '')
