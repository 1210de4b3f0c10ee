'use strict';

/*
 * The SQL that PostgREST sends, and what it knows of the schema to make it: for
 * postgrest.js.
 *
 * Written after PostgREST 13 to 16 (src/library/PostgREST: MainTx, PreQuery, Statements,
 * QueryBuilder): one transaction of set_config, pre-request and the main query, which gives
 * total, page_total, body, response_headers, response_status and response_inserted.  What
 * PostgREST binds as parameters of unknown type stands here as literals, which are of unknown
 * type, too.
 */

const { literal } = require('./psql.js');

const identifier = (name) => `"${name.replaceAll('"', '""')}"`;

// What PostgREST reads of the catalogue when it starts: functions, relations, media types.
const catalogueQuery = (schema) => `SELECT pg_catalog.json_build_object(
  'functions', (SELECT pg_catalog.json_object_agg(p.proname, pg_catalog.json_build_object(
      'name', p.proname, 'volatile', p.provolatile = 'v', 'set', p.proretset,
      'void', p.prorettype = 'void'::regtype,
      'composite', t.typtype IN ('c', 'p') AND p.prorettype <> 'void'::regtype AND (t.typrelid <> 0 OR p.prorettype = 'record'::regtype),
      'media', CASE WHEN t.typtype = 'd' AND t.typname LIKE '%/%' THEN t.typname END,
      'bytes', t.typbasetype = 'bytea'::regtype,
      'timeout', (SELECT pg_catalog.split_part(c, '=', 2) FROM unnest(p.proconfig) AS c WHERE c LIKE 'statement_timeout=%'),
      'isolation', (SELECT pg_catalog.split_part(c, '=', 2) FROM unnest(p.proconfig) AS c WHERE c LIKE 'default_transaction_isolation=%'),
      'arguments', (SELECT pg_catalog.coalesce_agg FROM (SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', COALESCE(p.proargnames[i], ''), 'type', pg_catalog.format_type(p.proargtypes[i - 1], NULL),
            'required', i <= p.pronargs - p.pronargdefaults) ORDER BY i), '[]') AS coalesce_agg
          FROM pg_catalog.generate_series(1, p.pronargs) AS i) AS x)))
    FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_type AS t ON t.oid = p.prorettype
   WHERE p.pronamespace = ${literal(schema)}::regnamespace AND p.prokind = 'f'),
  'relations', (SELECT pg_catalog.json_object_agg(c.relname, (
      SELECT pg_catalog.json_object_agg(a.attname, pg_catalog.format_type(a.atttypid, NULL))
        FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
    FROM pg_catalog.pg_class AS c
   WHERE c.relnamespace = ${literal(schema)}::regnamespace AND c.relkind IN ('r', 'v', 'm', 'f', 'p')),
  'roleSettings', (SELECT COALESCE(pg_catalog.json_object_agg(r.rolname, r.rolconfig), '{}')
    FROM pg_catalog.pg_auth_members AS m JOIN pg_catalog.pg_roles AS r ON r.oid = m.roleid
   WHERE m.member = current_user::regrole AND r.rolconfig IS NOT NULL))`.replaceAll('pg_catalog.coalesce_agg', 'coalesce_agg');

const columns = (total, page, body) => `SELECT ${total} AS total_result_set, ${page} AS page_total, ${body} AS body,
 nullif(current_setting('response.headers', true), '') AS response_headers,
 nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted`;

// How a value of the query string filters, or undefined where it does not: eq.5, in.(a,b), not.is.null ...
function condition(column, text)
{
	const [, negated, operator, value] = text.match(/^(not\.)?([a-z]+)\.([^]*)$/) ?? [];
	const symbols = { eq: '=', neq: '<>', gt: '>', gte: '>=', lt: '<', lte: '<=', like: 'LIKE', ilike: 'ILIKE' };
	let sql;
	if (symbols[operator] !== undefined)
		sql = `${column} ${symbols[operator]} ${literal(value)}`;
	else if (operator === 'is' && /^(null|true|false|unknown)$/.test(value))
		sql = `${column} IS ${value}`;
	else if (operator === 'in' && /^\([^]*\)$/.test(value))
		sql = `${column} = ANY (${literal(`{${value.slice(1, -1)}}`)})`;
	return sql === undefined ? undefined : negated ? `NOT ${sql}` : sql;
}

const isSpecial = (name) => /^(select|columns|on_conflict)$|(^|\.)(order|limit|offset|and|or)$/.test(name);

/* The transaction around a main query. */
function transaction(request, isolation, writes, main)
{
	const settings = [['search_path', `${identifier(request.schema)}, "public"`],
		...(request.roleSettings ?? []).filter((setting) => /^\w*timeout=/.test(setting)).map((setting) => setting.split('=')),
		['role', request.role], ['request.jwt.claims', JSON.stringify(request.claims)], ['request.method', request.method],
		['request.path', request.path], ['request.headers', JSON.stringify(request.headers)], ['request.cookies', '{}']];
	if (isolation)
		settings.push(['default_transaction_isolation', isolation]);
	if (request.timeout)
		settings.push(['statement_timeout', request.timeout]);
	return [
		`BEGIN ISOLATION LEVEL ${(isolation ?? 'read committed').toUpperCase()} ${writes ? 'READ WRITE' : 'READ ONLY'}`,
		`select ${settings.map(([name, value]) => `set_config(${literal(name)}, ${literal(value)}, true)`).join(', ')}`,
		...(request.preRequest ? [`select ${request.preRequest.split('.').map(identifier).join('.')}()`] : []),
		main,
		'COMMIT',
	];
}

/*
 * A call.  values: { named: { NAME: TEXT } } of a query string or a form, { json: TEXT, names: [...] } of
 * a JSON object, { raw: TEXT } for the one unnamed argument.
 */
function call(schema, fn, values, media)
{
	const name = `${identifier(schema)}.${identifier(fn.name)}`;
	const type = (argument) => fn.arguments.find((known) => known.name === argument).type;
	const rows = fn.composite ? '"pgrst_call".*' : 'pgrst_call.pgrst_scalar';
	let from;
	if (values.raw !== undefined)
		from = `${name}(${literal(values.raw)}::${fn.arguments[0].type})`;
	else if (values.named !== undefined)
		from = `${name}(${Object.entries(values.named).map(([key, text]) => `${identifier(key)} := ${literal(text)}::${type(key)}`).join(', ')})`;
	else
		from = `${name}(${values.names.map((key) => `${identifier(key)} := pgrst_body.${identifier(key)}`).join(', ')})`;
	let source = fn.composite ? `${from} pgrst_call` : `(SELECT ${from} pgrst_scalar) pgrst_call`;
	if (values.json !== undefined && values.names.length > 0)
	{
		const list = values.names.map(identifier).join(', ');
		const typed = values.names.map((key) => `${identifier(key)} ${type(key)}`).join(', ');
		source = `(SELECT ${literal(values.json)}::json AS json_data) pgrst_payload,
 LATERAL (SELECT ${list} FROM json_to_record(pgrst_payload.json_data) AS _(${typed}) LIMIT 1) pgrst_body,
 LATERAL ${source}`;
	}
	let body;
	if (media)
		body = `${identifier(schema)}.${identifier(fn.media)}(_postgrest_t.pgrst_scalar)`;
	else if (fn.composite)
		body = fn.set ? 'coalesce(json_agg(_postgrest_t), \'[]\')' : 'coalesce(json_agg(_postgrest_t)->0, \'null\')';
	else
		body = fn.set ? 'coalesce(json_agg(_postgrest_t.pgrst_scalar), \'[]\')' : 'coalesce(json_agg(_postgrest_t.pgrst_scalar)->0, \'null\')';
	return `WITH pgrst_source AS (SELECT ${rows} FROM ${source})
${columns('null::bigint', fn.set ? 'pg_catalog.count(_postgrest_t)' : '1', body)}
FROM (SELECT ${identifier(fn.name)}.* FROM "pgrst_source" AS ${identifier(fn.name)}) _postgrest_t`;
}

/* What of a query string chooses rows; throws { unknown: NAME } for what does not. */
function filters(relation, query)
{
	const parts = [];
	for (const [name, text] of query)
	{
		if (isSpecial(name))
			continue;
		const sql = condition(`${relation}.${identifier(name)}`, text);
		if (sql === undefined)
			throw Object.assign(new Error('no filter'), { unknown: name });
		parts.push(sql);
	}
	return parts.length > 0 ? ` WHERE ${parts.join(' AND ')}` : '';
}

function order(relation, text)
{
	if (text === null)
		return '';
	const terms = text.split(',').map((term) =>
	{
		const [name, ...more] = term.split('.');
		return `${relation}.${identifier(name)} ${more.map((word) => ({ desc: 'DESC', asc: 'ASC', nullsfirst: 'NULLS FIRST', nullslast: 'NULLS LAST' })[word] ?? '').join(' ')}`;
	});
	return ` ORDER BY ${terms.join(', ')}`;
}

const limits = (query) => (query.has('limit') ? ` LIMIT ${literal(query.get('limit'))}` : '') +
	(query.has('offset') ? ` OFFSET ${literal(query.get('offset'))}` : '');

function read(schema, name, query, exact)
{
	const relation = `${identifier(schema)}.${identifier(name)}`;
	const chosen = (query.get('select') ?? '*').split(',').map((column) => column === '*' ? `${relation}.*` : `${relation}.${identifier(column)}`);
	const where = filters(relation, query);
	return `WITH pgrst_source AS (SELECT ${chosen.join(', ')} FROM ${relation}${where}${order(relation, query.get('order'))}${limits(query)})
${exact ? `, pgrst_source_count AS (SELECT 1 FROM ${relation}${where})` : ''}
${columns(exact ? '(SELECT pg_catalog.count(*) FROM pgrst_source_count)' : 'null::bigint', 'pg_catalog.count(_postgrest_t)',
		'coalesce(json_agg(_postgrest_t), \'[]\')')}
FROM (SELECT * FROM pgrst_source) _postgrest_t`;
}

/* What POST, PATCH and DELETE of a relation make; object is what was sent. */
function write(schema, name, method, query, object, types)
{
	const relation = `${identifier(schema)}.${identifier(name)}`;
	const names = Object.keys(object).filter((key) => types[key] !== undefined);
	const list = names.map(identifier).join(', ');
	const payload = `(SELECT ${literal(JSON.stringify(object))}::json AS json_data) pgrst_payload,
 LATERAL (SELECT ${list} FROM json_to_record(pgrst_payload.json_data) AS _(${names.map((key) => `${identifier(key)} ${types[key]}`).join(', ')})) pgrst_body`;
	let sql;
	if (method === 'POST')
		sql = names.length > 0 ? `INSERT INTO ${relation}(${list}) SELECT ${names.map((key) => `pgrst_body.${identifier(key)}`).join(', ')} FROM ${payload}` :
			`INSERT INTO ${relation} DEFAULT VALUES`;
	else if (method === 'PATCH')
		sql = `UPDATE ${relation} SET ${names.map((key) => `${identifier(key)} = pgrst_body.${identifier(key)}`).join(', ')} FROM ${payload}${filters(relation, query)}`;
	else
		sql = `DELETE FROM ${relation}${filters(relation, query)}`;
	return `WITH pgrst_source AS (${sql} RETURNING 1) ${columns('null::bigint', 'pg_catalog.count(_postgrest_t)', '\'\'::text')}
FROM (SELECT * FROM pgrst_source) _postgrest_t`;
}

module.exports = { call, catalogueQuery, condition, isSpecial, read, transaction, write };
