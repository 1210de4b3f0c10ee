'use strict';

/*
 * The way of events from a transaction to clients of two gateways: all, in order, once; also to who
 * comes and goes meanwhile; of any size; and by other versions of Socket.IO's adapter.
 */

const { createRequire } = require('node:module');
const http = require('node:http');
const path = require('node:path');
const pg = require('pg');
const { Client, Gateway, folder, is, ok, openDatabase, run, sql, token, until } = require('./live.js');

const numbers = (client, event) => client.named(event).map(({ n }) => n);
const upTo = (count) => Array.from({ length: count }, (_, i) => i + 1);

// A server of Socket.IO with no more than an adapter, which is not ours to change.
function plainServer(adapter)
{
	const { Server } = createRequire(path.join(folder, 'gateway.js'))('socket.io');
	const { createAdapter } = require(adapter);
	const pool = new pg.Pool({ max: 3 });
	pool.on('connect', (client) => client.on('error', () => {}));
	const server = http.createServer();
	const io = new Server(server, { adapter: createAdapter(pool, { tableName: 'washminute_data.socket_io_attachments' }) });
	io.on('connection', (socket) => socket.join('user-matrix'));
	return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`)));
}

run(async () =>
{
	const [one, two] = await Promise.all([new Gateway({}, ['--require', path.join(__dirname, 'hold.js')]).ready(), new Gateway().ready()]);
	const amina = new Client(one.url, token('amina'));
	const phone = new Client(two.url, token('amina'));		// her other device
	const brahim = new Client(two.url, token('w1', { role: 'washminute_washman' }));
	await Promise.all([amina, phone, brahim].map((client) => client.entered()));

	/* Transactions. */

	await sql("BEGIN; SELECT washminute.emit('user-amina', 'undone'); ROLLBACK");
	await sql("BEGIN; SELECT washminute.emit('user-amina', 'same', '{\"a\": 1}'); SELECT washminute.emit('user-amina', 'same', '{\"a\": 1}'); COMMIT");
	is((await amina.hears('same', 2)).map(({ a }) => a), [1, 1], 'two of the same in one transaction are two');
	await phone.hears('same', 2);
	is(phone.named('same').map(({ eid }) => eid), amina.named('same').map(({ eid }) => eid), 'with the same ids on both devices, by two gateways');
	is(amina.named('undone'), [], 'and nothing of a transaction that was undone');
	await sql("SELECT washminute.emit('user-amina', 'many', jsonb_build_object('n', n)) FROM generate_series(1, 1000) AS n");
	await Promise.all([amina.hears('many', 1000), phone.hears('many', 1000)]);
	is(numbers(amina, 'many'), upTo(1000), 'a thousand come in order');
	is(numbers(phone, 'many'), upTo(1000), 'by both gateways');
	const eids = amina.named('many').map(({ eid }) => Number(eid));
	ok(eids.every((eid, i) => i === 0 || eid > eids[i - 1]), 'and their ids rise');
	await sql("SELECT washminute.emit(ARRAY['user-amina', 'user-w1'], 'both')");
	await Promise.all([amina.hears('both'), brahim.hears('both')]);
	is([amina, phone, brahim].map((client) => client.named('both').length), [1, 1, 1], 'one for several rooms is one for each');
	for (const bad of ["emit('', 'x')", "emit(NULL::text, 'x')", "emit('{}'::text[], 'x')", "emit('{a,NULL}'::text[], 'x')",
		"emit('a', 'disconnect')", "emit('a', 'connect_error')", "emit('a', '')", "emit('a', 'x', '[1]')"])
		is(await sql(`SELECT washminute.${bad}`).catch(({ code }) => code), 'PT400', `${bad} is refused`);
	ok([amina, phone, brahim].every(({ states }) => states.length === 1), 'and nobody was disconnected');

	/* Sizes: around the most that a notification takes, of one and of several bytes a character, small ones between. */

	await sql(`SELECT washminute.emit('user-amina', 'size', jsonb_build_object('n', 2 * n - 1, 'text', repeat(letter, length))),
		              washminute.emit('user-amina', 'size', jsonb_build_object('n', 2 * n, 'text', ''))
		         FROM (SELECT row_number() OVER () AS n, letter, length
		                 FROM (VALUES ('x', 7600, 8010), ('é', 3800, 4005)) AS v (letter, low, high), generate_series(low, high, 10) AS length) AS s`);
	const sizes = await amina.hears('size', 126);
	is(numbers(amina, 'size'), upTo(126), 'events on both sides of 8000 bytes come in order');
	ok(sizes.every(({ n, text }) => n % 2 === 0 || /^(x{7600,}|é{3800,})$/.test(text)), 'and whole');
	await sql("SELECT washminute.emit('user-amina', 'large', jsonb_build_object('text', repeat('ش', 20000), 'n', 2::numeric ^ 52 + 0.5, 'list', '[1, -1.5, null, true, {\"a\": \"\\u0001\"}]'::jsonb))");
	const { text, n, list } = (await amina.hears('large'))[0];
	is([text === 'ش'.repeat(20000), n, list], [true, 2 ** 52 + 0.5, [1, -1.5, null, true, { a: '\u0001' }]], 'a large one comes as it was');

	/* Catching up: what came in between, once and in order, and on. */

	amina.close();
	await sql("SELECT washminute.emit('user-amina', 'later', jsonb_build_object('n', n)) FROM generate_series(1, 450) AS n");
	await phone.hears('later', 450);
	const again = new Client(one.url, token('amina'), { since: amina.since });
	await again.hears('later', 450);
	await sql("SELECT washminute.emit('user-amina', 'later', jsonb_build_object('n', 451))");
	await again.hears('later', 451);
	is(numbers(again, 'later'), upTo(451), 'what was missed comes first, and what comes then after it');
	is(again.events.length, 451, 'and nothing that had been heard');
	const fresh = new Client(one.url, token('amina'));
	await fresh.entered();
	await until(() => fresh.since !== undefined, 'the position from which on it will hear');
	is(fresh.events, [], 'who does not say what he saw last hears of the future alone');
	fresh.close();
	await sql("SELECT washminute.emit('user-amina', 'meanwhile')");
	await phone.hears('meanwhile');
	const back = new Client(one.url, token('amina'), { since: fresh.since });
	await back.hears('meanwhile');
	await until(() => Number(back.since) > Number(fresh.since), 'a later position');
	is(back.events.length, 1, 'and who has heard nothing yet misses nothing when he is away');
	back.close();
	const odd = new Client(one.url, token('amina'), { since: "1' OR true" });
	await odd.hears('resync');
	is(odd.events.map(([name]) => name), ['resync'], 'who says nonsense is to read everything anew');

	const sign = async () =>
	{
		const count = again.named('sign').length + 1;		// before it is told: it may come before the answer
		await sql("SELECT washminute.emit('user-amina', 'sign')");
		await again.hears('sign', count);		// by the same gateway: it has heard all before it
	};
	const before = await sql('SELECT washminute.live_cursor()');
	await sql("SELECT washminute.emit('user-w3', 'heap', jsonb_build_object('n', n)) FROM generate_series(1, 5201) AS n");
	await sign();
	const late = new Client(one.url, token('w3', { role: 'washminute_washman' }), { since: before });
	await late.hears('resync');
	const [{ eid }] = late.named('resync');
	ok(Number(eid) - before > 5200, 'with the position to go on from');
	await sql("SELECT washminute.emit('user-w3', 'heap', '{\"n\": 0}')");
	await late.hears('heap');
	is([numbers(late, 'heap'), late.events.length], [[0], 2], 'who missed more than five thousand is told to read everything anew');
	late.close();

	/* What happens after the look at what was missed, and before the client is in. */

	const isHeld = (count) => until(() => one.output.split(/^held$/m).length > count, 'it to be held');
	const comesIn = () => one.child.kill('SIGUSR2');
	const { since } = again;
	const between = (n, size) => sql("SELECT washminute.emit('user-amina', 'between', jsonb_build_object('n', $1::integer, 'x', repeat('x', $2)))", n, size);
	await between(1, 1);
	await sign();
	const slow = new Client(one.url, token('amina', { jti: 'slowly' }), { since });
	await isHeld(1);
	await between(2, 1);
	await between(3, 9000);
	await sql("SELECT washminute.emit_all('between', '{\"n\": 4}')");
	await sign();
	comesIn();
	await slow.hears('between', 4);
	await between(5, 1);
	await slow.hears('between', 5);
	is(numbers(slow, 'between'), upTo(5), 'what comes between the look and the coming in is neither lost nor doubled');
	slow.close();

	const washman = { role: 'washminute_washman', jti: 'slowly' };
	const [guest, banned] = ['w3', 'w2'].map((user) => new Client(one.url, token(user, washman)));
	await isHeld(3);
	await sql("SELECT washminute.user_join('w3', 'lane'), washminute.user_logout('w2')");
	await sql("SELECT washminute.emit('lane', 'laned')");
	await sign();
	comesIn();
	await guest.hears('laned');
	ok(true, 'a room that he is given meanwhile is his');
	await until(() => banned.states.length > 1);
	is(banned.states, ['connect', 'io server disconnect'], 'and who is logged out meanwhile is out');
	guest.close();

	/* The events of a socket. */

	const answered = [];
	const asked = [['identify', 'slowly'], ['no-such-event'], ['identify', 'amina']].map(async ([event, argument]) =>
	{
		await again.ask(event, argument);
		answered.push(argument ?? event);
	});
	await isHeld(4);
	await sign();
	comesIn();
	await Promise.all(asked);
	is(answered, ['slowly', 'no-such-event', 'amina'], 'are done one after the other, as they came');

	/* Some come and go, to and fro between the gateways, while eight sessions emit; one stays. */

	const writers = 8, each = 150;
	const churning = [0, 1, 2, 3].map((i) =>
		new Client(i % 2 ? one.url : two.url, token('amina'), { since: again.since, reconnectionDelay: 1, reconnectionDelayMax: 20 }));
	await Promise.all(churning.map((client) => client.entered()));
	let isWriting = true;
	const coming = churning.map(async (client, i) =>
	{
		for (let round = 0; isWriting; round++)
		{
			const seen = client.events.length;
			await until(() => client.events.length > seen + 3 * i || !isWriting);
			if (round % 3 === 2)		// from one gateway to the other
				client.socket.io.uri = client.socket.io.uri === one.url ? two.url : one.url;
			client.drop();
			await until(() => client.states.at(-1) === 'connect' && client.socket.connected || !isWriting);
		}
		return client.states.filter((state) => state === 'connect').length;
	});
	await Promise.all(Array.from({ length: writers }, async (_, writer) =>
	{
		const client = await openDatabase();
		for (let number = 1; number <= each; number++)
		{
			const size = number % 25 === 0 ? 9000 : 1;
			await client.query(`SELECT washminute.emit('user-amina', 'storm', jsonb_build_object('writer', $1::integer, 'n', $2::integer, 'x', repeat('x', ${size})))`, [writer, number]);
		}
		await client.end();
	}));
	await again.hears('storm', writers * each);
	isWriting = false;
	const visits = await Promise.all(coming);
	await Promise.all(churning.map((client) => client.hears('storm', writers * each)));
	ok(visits.every((count) => count > 5), `clients came ${visits} times while ${writers * each} events did`);
	const order = JSON.stringify(again.named('storm').map(({ eid }) => Number(eid)));
	is(JSON.parse(order).length, writers * each, 'who stayed heard all of them once');
	is(order, JSON.stringify(JSON.parse(order).sort((a, b) => a - b)), 'in order');
	is(churning.map((client) => JSON.stringify(client.named('storm').map(({ eid }) => Number(eid))) === order), [true, true, true, true],
		'and so did who came and went: none lost, none doubled, none out of turn');

	/* Other versions of the adapter, as they come. */

	const versions = ['postgres-adapter-0.3', 'postgres-adapter-0.4', path.join(folder, 'node_modules/@socket.io/postgres-adapter')];
	const clients = (await Promise.all(versions.map(plainServer))).map((url) => new Client(url));
	await Promise.all(clients.map((client) => client.entered()));
	await until(async () =>
	{
		await sql("SELECT washminute.emit('user-matrix', 'warm')");
		return clients.every((client) => client.named('warm').length > 0);
	});
	await sql("SELECT washminute.emit('user-matrix', 'small', '{\"a\": \"é\"}'), washminute.emit('user-matrix', 'large', jsonb_build_object('a', repeat('é', 9000)))");
	for (const [i, version] of ['0.3.1', '0.4.0', '0.5.0'].entries())
	{
		const [[small], [large]] = [await clients[i].hears('small'), await clients[i].hears('large')];
		is([small.a, large.a === 'é'.repeat(9000)], ['é', true], `adapter ${version} delivers small and large ones`);
	}
});
