"""An agent with the unmodified google-cloud-bigquery. Does what its argument says, and prints what it got as JSON."""

import io
import json
import sys

from google.cloud import bigquery

client = bigquery.Client()

SCHEMA = [bigquery.SchemaField("name", "STRING"), bigquery.SchemaField("legs", "INTEGER")]
PETS = [{"name": "Rex", "legs": 4}, {"name": "Tweety", "legs": 2}]


def query():
    rows = client.query_and_wait("SELECT COUNT(*) AS orders FROM shop.orders")
    return [dict(row) for row in rows]


def parameters():
    config = bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ScalarQueryParameter("id", "INT64", 42),
            bigquery.ScalarQueryParameter("product", "STRING", "item-42"),
        ]
    )
    job = client.query(
        "SELECT order_id, amount FROM shop.orders WHERE order_id = @id AND product = @product",
        job_config=config,
    )
    return [dict(row) for row in job.result()]


def pages():
    job = client.query("SELECT order_id FROM shop.orders ORDER BY order_id")
    return [[row["order_id"] for row in page] for page in job.result(page_size=120).pages]


def insert():
    table = client.create_table(bigquery.Table(f"{client.project}.shop.inserted", schema=SCHEMA))
    errors = client.insert_rows_json(table, PETS)
    if errors:
        raise RuntimeError(errors)
    return rows_of(table)


def load():
    table = bigquery.Table(f"{client.project}.shop.loaded", schema=SCHEMA)
    client.load_table_from_json(PETS, table, job_config=bigquery.LoadJobConfig(schema=SCHEMA)).result()
    return rows_of(table)


def resumable():
    table = bigquery.Table(f"{client.project}.shop.resumed", schema=SCHEMA)
    lines = "".join(f"{json.dumps(pet)}\n" for pet in PETS)
    config = bigquery.LoadJobConfig(schema=SCHEMA, source_format="NEWLINE_DELIMITED_JSON")
    client.load_table_from_file(io.BytesIO(lines.encode()), table, job_config=config).result()
    return rows_of(table)


def rows_of(table):
    rows = client.list_rows(table.reference, selected_fields=SCHEMA)
    return sorted(list(row.values()) for row in rows)


def arrow():
    table = client.list_rows(client.get_table(f"{client.project}.shop.orders")).to_arrow()
    ids = table["order_id"].to_pylist()
    return {"rows": table.num_rows, "columns": table.column_names, "sum": sum(ids)}


DEEDS = {deed.__name__: deed for deed in (query, parameters, pages, insert, load, resumable, arrow)}
print(json.dumps(DEEDS[sys.argv[1]]()))
