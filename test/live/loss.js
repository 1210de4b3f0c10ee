'use strict';

/*
 * What gateways lose, and leave behind: the connection that listens, alone or with the database, at
 * any moment; and clients that come and go.
 */

const path = require('node:path');
const { Client, Gateway, is, ok, run, sql, token, until } = require('./live.js');

const cycles = Number(process.argv[2] ?? 150);
const LISTENER = "application_name = 'gateway' AND query ~ 'rt_gateway_register'";

run(async () =>
{
	const [one, small, deaf] = await Promise.all([{}, { LIVE_POOL: 3 }, { LIVE_PATIENCE: 6, PGAPPNAME: 'deaf' }].map((settings, i) =>
		new Gateway(settings, i === 0 ? ['--expose-gc', '--require', path.join(__dirname, 'measure.js')] : []).ready()));
	const elsewhere = await new Gateway({ LIVE_CHANNEL_PREFIX: 'elsewhere', LIVE_PATIENCE: 9, PGAPPNAME: 'elsewhere' }).ready();
	const amina = new Client(one.url, token('amina'));
	await amina.entered();

	/* Comings and goings, of all kinds: nothing stays. */

	const come = async (gateway, i) =>
	{
		const client = new Client(gateway.url, token('amina', { exp: Math.floor(Date.now() / 1000) + 3600 + i }),
			{ reconnection: false, transports: i % 5 === 0 ? ['polling'] : ['websocket'] });
		await client.entered();
		if (i % 3 === 0)
			await client.ask('identify', 'amina');
		if (i % 2 === 0 && i % 5 !== 0)
			client.drop();
		client.close();
	};
	const comeAll = async (count) =>
	{
		for (let i = 0; i < count; i += 10)
			await Promise.all(Array.from({ length: 10 }, (_, k) => come(one, i + k)));
		return until(async () =>
		{
			const { sockets, rooms, sids, connections } = await one.health();
			return sockets === 1 && connections === 1 && [sockets, rooms, sids];
		}, 'them to be gone');
	};
	const heap = async () =>
	{
		const before = one.output.length;
		one.child.kill('SIGUSR2');
		return until(() => Number(/heap (\d+)/.exec(one.output.slice(before))?.[1]));
	};
	await comeAll(cycles);
	const heapBefore = await heap();
	is(await comeAll(cycles), [1, 2, 1], `of ${cycles} who came and went no socket and no room is left`);
	const growth = (await heap() - heapBefore) / cycles;
	console.log(`# ${Math.round(growth)} bytes for each`);
	ok(growth < 3000, 'and no memory');		// a socket alone has more

	/* The connection that listens, ended while events come. */

	const losses = 3;
	for (let loss = 0, n = 1; loss < losses; loss++)
	{
		const states = amina.states.length;
		await sql("SELECT washminute.emit('user-amina', 'loss', jsonb_build_object('n', n)) FROM generate_series($1::integer, $2) AS n", n, n + 9);
		await sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${LISTENER}`);
		n += 10;
		await until(async () =>
		{
			await sql("SELECT washminute.emit('user-amina', 'loss', jsonb_build_object('n', $1::integer))", n++);
			return amina.states.slice(states).at(-1) === 'connect';
		}, 'her to be back');
		await amina.hears('loss', n - 1);
		is(amina.named('loss').map((event) => event.n), Array.from({ length: n - 1 }, (_, i) => i + 1), 'an ended connection loses no event');
	}
	ok(amina.states.includes('websocket error'), 'meanwhile nobody is let in');
	await small.ready();
	for (let i = 0; i < 3; i++)
	{
		const started = small.output.split('ready as').length;
		await sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${LISTENER}`);
		await until(() => small.output.split('ready as').length > started, 'it to be ready again');
	}
	is(await new Client(small.url, token('amina')).entered(), 'connect', 'nor does the pool lose its places, however often');

	/* An event whose attachment cannot be had. */

	const visits = amina.states.filter((state) => state === 'connect').length;
	await sql('REVOKE SELECT ON washminute_data.socket_io_attachments FROM washminute_gateway');
	await sql("SELECT washminute.emit('user-amina', 'large', jsonb_build_object('n', n, 'x', repeat('x', 9000 * (n % 2)))) FROM generate_series(1, 2) AS n");
	await amina.hears('large', 2);
	await sql('GRANT SELECT ON washminute_data.socket_io_attachments TO washminute_gateway');
	is(amina.named('large').map(({ n, x }) => [n, x.length]), [[1, 9000], [2, 0]], 'is not left out: clients come again for it');
	ok(amina.states.filter((state) => state === 'connect').length > visits, 'as they do when the database was away');

	/* A connection that is dead, though nobody said so: its process in the server stands still. */

	await deaf.ready();
	const pid = Number(await sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'deaf' AND query ~ 'rt_gateway_register'"));
	process.kill(pid, 'SIGSTOP');
	const code = await deaf.exit;
	process.kill(pid, 'SIGCONT');
	is(code, 1, 'a gateway that hears nothing ends, to be started anew');
	ok(/pooler/.test(deaf.output), 'and says why');
	is((await one.health()).ok, true, 'others do not');

	/* What is told on another channel, or not at all. */

	const { status, listening, ticks } = await until(async () =>
	{
		const health = await elsewhere.health();
		return health.ticks === false && health;
	}, 'it to miss the ticks');
	is([status, listening, ticks], [503, true, false], 'a gateway that hears itself alone is not well');
	await until(() => /no tick heard: .*LIVE_CHANNEL_PREFIX/.test(elsewhere.output), 'it to say so');
	ok(true, 'and says what may be wrong');
});
