import type { DuckDBConnection } from "@duckdb/node-api";

/** What rows of orders there are for one of customers. */
const ORDERS_PER_CUSTOMER = 20;

/**
 * The dataset `shop`, the same at each start: customers with data that a policy would want to mask, and their orders. No one is
 * real: the names are of a list, the domains are reserved for examples (RFC 2606), the phone numbers for fiction (555-0100 to
 * 555-0199), and the cards begin as the schemes' test cards do.
 *
 * @param rows Rows of `shop.orders`.
 */
export async function seedShop(connection: DuckDBConnection, rows: number): Promise<void> {
  const customers = Math.max(1, Math.ceil(rows / ORDERS_PER_CUSTOMER));
  await connection.run("CREATE SCHEMA shop");
  await connection.run(`
    CREATE TABLE shop.customers (
      customer_id BIGINT NOT NULL, name VARCHAR, email VARCHAR, phone VARCHAR, card_number VARCHAR,
      city VARCHAR, country VARCHAR, created_at TIMESTAMPTZ)`);
  await connection.run(`
    INSERT INTO shop.customers
    WITH lists AS (
      SELECT
        ['Ada', 'Bruno', 'Chidi', 'Dana', 'Elif', 'Farid', 'Grace', 'Hiro', 'Ines', 'Jonas', 'Kira', 'Luca'] AS given,
        ['Abara', 'Berg', 'Castro', 'Dietz', 'Endo', 'Fischer', 'Greco', 'Hansen', 'Ito', 'Jansen', 'Klein'] AS family,
        [['Berlin', 'DE'], ['Lagos', 'NG'], ['Lisbon', 'PT'], ['Osaka', 'JP'], ['Quito', 'EC'], ['Toronto', 'CA']] AS places
    ),
    people AS (
      SELECT n AS id, given[1 + n % 12] AS first, family[1 + (n // 12) % 11] AS last, places[1 + (n * 7) % 6] AS home
      FROM lists, range(1, ${customers + 1}) AS numbers(n)
    )
    SELECT
      id,
      first || ' ' || last,
      lower(first || '.' || last) || id || '@example.' || CASE id % 3 WHEN 0 THEN 'com' WHEN 1 THEN 'org' ELSE 'net' END,
      '+1-555-01' || lpad(CAST(id % 100 AS VARCHAR), 2, '0'),
      '4242-4242-' || lpad(CAST((id // 10000) % 10000 AS VARCHAR), 4, '0') || '-' || lpad(CAST(id % 10000 AS VARCHAR), 4, '0'),
      home[1], home[2],
      TIMESTAMPTZ '2023-01-01 00:00:00+00' + to_seconds((id * 7919 * 60) % 63072000)
    FROM people ORDER BY id`);
  await connection.run(`
    CREATE TABLE shop.orders (
      order_id BIGINT NOT NULL, customer_id BIGINT NOT NULL, product VARCHAR, quantity BIGINT,
      amount DECIMAL(38,9), status VARCHAR, ordered_at TIMESTAMPTZ)`);
  await connection.run(`
    INSERT INTO shop.orders
    WITH lists AS (
      SELECT
        ['backpack', 'bottle', 'compass', 'lantern', 'map', 'stove', 'tent'] AS products,
        [89.90, 19.50, 24.00, 39.95, 7.20, 54.30, 249.00] AS prices,
        ['delivered', 'delivered', 'delivered', 'shipped', 'pending', 'returned', 'cancelled'] AS states
    ),
    picks AS (
      SELECT n AS id, 1 + (n * 31) % 7 AS pick, 1 + (n * 13) % 5 AS quantity, *
      FROM lists, range(1, ${rows + 1}) AS numbers(n)
    )
    SELECT
      id, 1 + (id * 48271) % ${customers}, products[pick], quantity, prices[pick] * quantity, states[1 + (id * 11) % 7],
      TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_seconds(id * 97 + (id * 1009) % 3600)
    FROM picks ORDER BY id`);
}
