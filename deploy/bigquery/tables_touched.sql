-- Which tables were touched by whom. Requests name their table; of statements, names behind FROM, JOIN, INTO, UPDATE, TABLE
-- and USING are taken from the text, so views and WITH clauses stand under their own names. What BigQuery itself knows is in
-- INFORMATION_SCHEMA.JOBS (referenced_tables), to be joined by job.
WITH touched AS (
  SELECT time, user, session, exchange, operation, 'request' AS told_by,
    CONCAT(IFNULL(CONCAT(project, '.'), ''), dataset, '.', table_name) AS table_path
  FROM `{dataset}.exchanges`
  WHERE table_name IS NOT NULL AND outcome != 'denied'
  UNION ALL
  SELECT time, user, session, exchange, operation, 'sql' AS told_by, REPLACE(named, '`', '') AS table_path
  FROM `{dataset}.exchanges`,
    UNNEST(REGEXP_EXTRACT_ALL(sql, r'(?i)\b(?:FROM|JOIN|INTO|UPDATE|TABLE|USING)\s+([`\w][`\w.:-]*\.[`\w.:-]+)')) AS named
  WHERE sql IS NOT NULL AND outcome != 'denied'
)
SELECT
  table_path,
  user,
  told_by,
  COUNT(DISTINCT exchange) AS exchanges,
  COUNT(DISTINCT session) AS sessions,
  MIN(time) AS first_time,
  MAX(time) AS last_time
FROM touched
GROUP BY table_path, user, told_by
