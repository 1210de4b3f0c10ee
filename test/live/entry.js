'use strict';

/*
 * Who comes in, and as whom: tokens, rooms, old and new forms of events, limits, and what nobody is told.
 */

const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Manager } = require('socket.io-client');
const { Client, Gateway, is, ok, openDatabase, run, sign, sql, token, until } = require('./live.js');

run(async () =>
{
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'live-'));
	const { publicKey, privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
	const pem = publicKey.export({ type: 'spki', format: 'pem' });
	const keys = path.join(folder, 'jwks.json');
	const writeKeys = (kid) => fs.writeFileSync(keys, JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid }] }));
	writeKeys('one');
	fs.writeFileSync(path.join(folder, 'pem'), pem);

	const [one, two, three] = await Promise.all([
		new Gateway({ LIVE_BURST: 30, LIVE_RATE: 1 }).ready(),
		new Gateway({ LIVE_KEYS: keys, LIVE_ISSUER: 'rest', LIVE_POOL: 2, PGAPPNAME: 'two' }).ready(),
		new Gateway({ LIVE_KEYS: path.join(folder, 'pem'), LIVE_ISSUER: 'rest', LIVE_AUDIENCE: 'apps' }).ready()]);
	const enter = (gateway, given, options) => new Client(gateway.url, given, { reconnection: false, ...options }).entered();

	/* Tokens. */

	is(await enter(one, undefined), 'WM_TOKEN_REFUSED', 'no token');
	is(await enter(one, 'nonsense'), 'WM_TOKEN_REFUSED', 'none that is one');
	is(await enter(one, { alg: 'HS256' }), 'WM_TOKEN_REFUSED', 'an object');
	is(await enter(one, token('amina', { exp: 1700000000 })), 'WM_TOKEN_REFUSED', 'expired');
	is(await enter(one, token('amina', { nbf: 4000000000 })), 'WM_TOKEN_REFUSED', 'not yet good');
	const claims = { iss: 'rest', client_id: 'app', token_use: 'access', role: 'washminute_customer', sub: 'amina' };
	is(await enter(one, sign('', claims, { alg: 'none' })), 'WM_TOKEN_REFUSED', 'of algorithm none');
	is(await enter(one, sign('another secret', claims)), 'WM_TOKEN_REFUSED', 'signed by somebody else');
	is(await enter(one, token(undefined)), 'WM_TOKEN_REFUSED', 'of nobody');
	is(await enter(one, token('amina', { iss: 'https://elsewhere.example' })), 'WM_TOKEN_REFUSED', "of another issuer, by the database's settings");
	is(await enter(one, token('amina', { client_id: 'other' })), 'WM_TOKEN_REFUSED', 'for another app');
	is(await enter(one, token('amina', { token_use: 'id' })), 'WM_TOKEN_REFUSED', 'for another use');
	is(await enter(one, token('ghost')), 'WM_USER_NOT_FOUND', 'of who has not signed up');
	await sql("SELECT washminute.upsert_user('troll', 'customer', 'Troll'), washminute.block_user('troll', 'zineb', 'rude')");
	is(await enter(one, token('troll')), 'WM_USER_BLOCKED', 'of who is blocked');
	is(await enter(one, token('amina')), 'connect', 'a good one');
	is(await enter(one, token('amina'), { transports: ['polling', 'websocket'] }), 'connect', 'by a client that begins with polling');

	const rsa = (payload, header = { alg: 'RS256', kid: 'one' }) =>
	{
		const text = [header, payload].map((it) => Buffer.from(JSON.stringify(it)).toString('base64url')).join('.');
		return `${text}.${crypto.sign('RSA-SHA256', Buffer.from(text), privateKey).toString('base64url')}`;
	};
	is(await enter(two, rsa(claims)), 'connect', 'keys in a JWKS');
	is(await enter(two, rsa({ ...claims, iss: 'other' })), 'WM_TOKEN_REFUSED', "another issuer, by the gateway's settings");
	is(await enter(two, token('amina')), 'WM_TOKEN_REFUSED', 'no token signed with a secret is good there');
	is(await enter(three, rsa({ ...claims, aud: 'apps' })), 'connect', 'a key in PEM');
	is(await enter(three, rsa(claims)), 'WM_TOKEN_REFUSED', 'without the audience');
	is(await enter(three, sign(pem, { ...claims, aud: 'apps' })), 'WM_TOKEN_REFUSED', 'nor is one whose secret is the public key');
	is(await enter(two, rsa(claims, { alg: 'RS256', kid: 'two' })), 'WM_TOKEN_REFUSED', 'a key that is not there');
	writeKeys('two');
	await until(async () => await enter(two, rsa(claims, { alg: 'RS256', kid: 'two' })) === 'connect');
	ok(true, 'until it is: the file is read again');
	const page = '<html><body>The keys are not here today.</body></html>';
	for (const text of [page, page.replace(/[<>]/g, '_')])
	{
		const complaints = two.output.split('stay as they were').length;
		fs.writeFileSync(keys, text);
		await until(() => two.output.split('stay as they were').length > complaints);
		is(await enter(two, sign(text, claims)), 'WM_TOKEN_REFUSED', 'what comes in place of public keys is no secret to sign with');
	}
	is(await enter(two, rsa(claims, { alg: 'RS256', kid: 'two' })), 'connect', 'and the keys stay as they were');
	const starts = (environment) => new Gateway(environment).exit;
	fs.writeFileSync(path.join(folder, 'short'), 'secret');
	is(await Promise.all([{ LIVE_KEYS: keys.replace('jwks.json', 'short') }, { LIVE_KEYS: path.join(folder, 'none') }, { LIVE_POOL: '1' }, { LIVE_PATIENCE: 'long' }].map(starts)),
		[1, 1, 1, 1], 'without good settings it does not start');

	/* What a connection costs. */

	const pids = () => sql("SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE application_name = 'two'");
	const karim = new Client(two.url, rsa(claims, { alg: 'RS256', kid: 'two' }));
	await karim.entered();
	const connections = await pids();
	is((await karim.ask('identify', 'a\0')).error, 'WM_ARGUMENT_INVALID', 'what the database refuses');
	is((await enter(two, rsa({ ...claims, sub: 'ghost' }, { alg: 'RS256', kid: 'two' }))), 'WM_USER_NOT_FOUND', 'and whom it refuses');
	is([await pids(), connections.split(' ').length], [connections, 2], 'cost no connection to it');
	karim.close();
	const manager = new Manager(one.url, { transports: ['websocket'], reconnection: false });
	const told = [];
	const anEvent = 2;				// the packet type of "ready"
	manager.on('packet', ({ type, data }) => type !== anEvent && told.push(data.data?.code ?? 'in'));
	await new Promise((resolve) => { manager.once('open', resolve); });
	const holder = await openDatabase();
	await holder.query('BEGIN; LOCK TABLE washminute_data.users');		// the first waits here, so that the others find it
	for (let i = 0; i < 5; i++)
		manager.engine.send(`0${JSON.stringify({ token: token('amina') })}`);
	await until(() => told.length === 4, 'refusals');
	await holder.query('ROLLBACK');
	await until(() => told.length === 5, 'the first one');
	is(told, [...Array(4).fill('WM_TOO_MANY_REQUESTS'), 'in'], 'a connection comes in once at a time');
	manager.engine.close();
	await holder.end();

	/* Rooms: everybody's own, and no other. */

	const amina = new Client(one.url, token('amina'));
	const brahim = new Client(one.url, token('w1', { role: 'washminute_washman' }));
	await Promise.all([amina.entered(), brahim.entered()]);
	is(await amina.ask('identify', 'amina'), { ok: true, userId: 'amina' }, 'who says who he is');
	is(await amina.ask('identify', { userId: 'amina' }), { ok: true, userId: 'amina' }, 'in either form');
	is((await brahim.ask('identify', 'amina')).error, 'WM_NOT_YOURS', 'nobody is somebody else');
	is((await brahim.ask('no-such-event', 1, 2)).error, 'WM_EVENT_UNKNOWN', 'an event that there is not');
	is((await brahim.ask('constructor', 1)).error, 'WM_EVENT_UNKNOWN', 'also one that JavaScript has a meaning for');
	for (const odd of [{ toString: 1 }, { chatId: { toString: 1 } }, [[{ toString: 1 }]], null, 7])
		is((await brahim.ask('agent-typing', odd)).error, 'WM_CHAT_NOT_FOUND', `typing in ${JSON.stringify(odd)} is typing nowhere`);
	is((await brahim.ask('identify')).error, 'WM_ARGUMENT_MISSING', 'nothing given');
	is((await brahim.ask('location', { longitude: 'here', latitude: 1 })).error, 'WM_ARGUMENT_INVALID', 'nonsense given');
	is((await brahim.ask('identify', 'a\0')).error, 'WM_ARGUMENT_INVALID', 'no text to PostgreSQL');
	await sql("SELECT washminute.emit('user-amina', 'for', '{\"amina\": 1}'), washminute.emit_all('for', '{\"all\": 1}')");
	await amina.hears('for', 2);
	await brahim.hears('for');
	is(brahim.named('for').map(({ all }) => all), [1], "amina's events are hers");

	/* What nobody is told. */

	const listener = await openDatabase();
	const heard = [];
	listener.on('notification', ({ payload }) => heard.push(payload));
	await listener.query('LISTEN "socket.io#/"');
	for (const request of [{ type: 7, data: { requestId: 'a', opts: { rooms: [], except: [] } } }, { type: 9, data: { packet: ['x'] } }])
		await sql('SELECT pg_notify($1, $2)', 'socket.io#/', JSON.stringify({ uid: 'emitter', nsp: '/', ...request }));
	await sql("SELECT washminute.emit_all('for')");
	await amina.hears('for', 3);
	is(heard.filter((text) => /handshake|"type":8/.test(text)), [], 'nobody is told of the sockets of a gateway');
	ok(heard.length > 2, 'though he would hear it');

	/* Limits. */

	const answers = await Promise.all(Array.from({ length: 40 }, () => amina.ask('identify', 'amina')));
	const refused = answers.filter(({ error }) => error === 'WM_TOO_MANY_REQUESTS').length;
	ok(refused > 0 && refused < 20, 'who sends too much is refused');
	await until(async () => (await amina.ask('identify', 'amina')).ok, 'an allowance');
	ok(amina.socket.connected, 'and goes on after a while');
	amina.socket.emit('identify', 'x'.repeat(70000));
	await until(() => amina.states.includes('transport close'));
	ok(true, 'a message of more than 64 kB ends the connection');

	/* Tokens that expire, and users who are logged out. */

	let given = 0;
	const short = new Client(one.url, () => token('amina', { exp: Math.floor(Date.now() / 1000) + (given++ ? 60 : 4) }));
	await short.entered();
	await until(() => short.states.length === 3);
	is(short.states, ['connect', 'transport close', 'connect'], 'when the token expires, the client comes again with a new one');
	is((await short.ask('identify', 'amina')).ok, true, 'and is served');
	await sql("SELECT washminute.user_logout('amina')");
	await until(() => short.states.length === 4);
	is(short.states[3], 'io server disconnect', 'who is logged out');
	is(short.socket.active, false, 'stays away');
	ok(brahim.socket.connected, 'and others stay');

	const { sockets, sids, rooms } = await until(async () =>
	{
		const health = await one.health();
		return health.sockets === 1 && health;
	});
	is([sockets, sids, rooms], [1, 1, 2], 'nothing is left of who has gone');
	is(await one.end(), 0, 'a gateway ends when told');
	await until(() => brahim.states.includes('transport close'));
	is(brahim.states[1], 'transport close', 'so that its clients look for another');
});
