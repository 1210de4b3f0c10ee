'use strict';

/*
 * A chat between two stock clients: typing, viewers and read marks, through a gateway that is killed
 * and started again, and a database that is restarted; no message lost or doubled.
 */

const { execSync } = require('node:child_process');
const net = require('node:net');
const { Client, Gateway, is, ok, run, sql, token, until } = require('./live.js');

const chatId = process.argv[2];		// of amina and w1
const upTo = (count) => Array.from({ length: count }, (_, i) => i + 1);

// A port that stays the same when the gateway is started again.
const freePort = () => new Promise((resolve) =>
{
	const server = net.createServer().listen(0, '127.0.0.1', () =>
	{
		const { port } = server.address();
		server.close(() => resolve(port));
	});
});

// As an app does it: messages have ids of the app's, are sent until they are answered, and the
// chat that is on the screen is joined at each connection.
class App extends Client
{
	constructor(url, user, role, options)
	{
		super(url, token(user, { role: `washminute_${role}` }), { retries: 100, ackTimeout: 4000, ...options });
		this.user = user;
		this.sent = 0;
		this.answers = [];
		this.socket.on('connect', () => this.isLooking && this.socket.emit('join-chat', chatId));
	}

	join(argument = { chatId })
	{
		this.isLooking = true;
		return this.ask('join-chat', argument);
	}

	say(text)
	{
		const clientMessageId = `${this.user}-${++this.sent}`;
		this.answers.push(this.socket.emitWithAck('send-message', { chatId, clientMessageId, text }));
	}

	get heard()
	{
		return this.named('newMessage').map(({ sequence }) => sequence);
	}

	get viewers()
	{
		return this.named('chat-viewers-updated').at(-1)?.viewers.map((viewer) => viewer.userId ?? viewer).sort().join(' ');
	}

	sees(viewers)
	{
		return until(() => this.viewers === viewers, `${this.user} to see ${viewers}, not ${this.viewers},`);
	}
}

run(async () =>
{
	const port = await freePort();
	const quick = { LIVE_PATIENCE: 15 };
	let [one, two] = await Promise.all([new Gateway({ ...quick, LIVE_PORT: port }).ready(), new Gateway(quick).ready()]);
	const amina = new App(one.url, 'amina', 'customer');
	const brahim = new App(one.url, 'w1', 'washman');
	const zineb = new App(two.url, 'zineb', 'admin');
	const stranger = new App(two.url, 'w2', 'washman');
	await Promise.all([amina, brahim, zineb, stranger].map((app) => app.entered()));

	/* Who is there. */

	const state = await amina.join();
	is([state.ok, state.chatId], [true, chatId], 'she looks at the chat');
	is((await brahim.join(chatId)).ok, true, 'he too, in the old form');
	await Promise.all([amina.sees('amina w1'), brahim.sees('amina w1')]);
	ok(true, 'each sees both');
	is((await stranger.join()).error?.slice(0, 3), 'WM_', 'a stranger does not come in');
	is((await stranger.ask('agent-typing', { chatId })).ok, false, 'nor does he type there');
	is((await stranger.ask('send-message', { chatId, clientMessageId: 'x', text: 'x' })).ok, false, 'nor write');
	is((await zineb.join()).ok, true, 'an administrator may join');
	await amina.sees('amina w1 zineb');

	/* Typing: of those who are in the room already, to the others, whichever gateway is theirs. */

	is(await amina.ask('agent-typing', { chatId, isTyping: true, userId: 'w1' }), { ok: true }, 'she types');
	const told = { chatId, userId: 'amina', isTyping: true };
	is([await brahim.hears('agent-typing-update'), await zineb.hears('agent-typing-update')], [[told], [told]], 'both others are told that it is she');
	for (let i = 0; i < 5; i++)
		await amina.ask('agent-typing', { chatId, isTyping: true });
	await amina.ask('agent-typing', { chatId, isTyping: false });
	is((await zineb.hears('agent-typing-update', 2))[1].isTyping, false, 'on and on is told once a second, the end at once');
	is(amina.named('agent-typing-update'), [], 'and not to her');

	/* Messages, while their gateway is killed, and the database restarted. */

	const each = 20;
	const talk = (app) => app.say(`${app.user} says ${app.sent + 1}`);
	for (let i = 0; i < 5; i++)
		[amina, brahim].forEach(talk);
	await amina.hears('newMessage', 10);
	const sid = brahim.socket.id;
	one.child.kill('SIGKILL');
	while (amina.sent < 10)
		[amina, brahim].forEach(talk);
	await until(async () => await sql('SELECT count(*) FROM washminute_data.chat_viewers AS v WHERE v.sid = $1 AND washminute._gateway_is_live(v.gateway)', sid) === '0');
	ok(true, 'viewers of a gateway that was killed do not count');
	await zineb.sees('zineb');
	ok(true, 'and others are told by the gateways that live');
	one = await new Gateway({ ...quick, LIVE_PORT: port }).ready();
	while (amina.sent < 14)
		[amina, brahim].forEach(talk);
	await zineb.sees('amina w1 zineb');
	ok(true, 'when it is back, so are they');
	await Promise.all([amina, brahim, zineb].map((app) => app.hears('newMessage', 28)));

	[amina, brahim].forEach(talk);
	execSync(`${process.env.LIVE_PG_CTL} -s -w -m immediate restart`, { stdio: 'ignore', timeout: 60000 });
	while (amina.sent < each)
		[amina, brahim].forEach(talk);
	await Promise.all([amina, brahim, zineb].map((app) => app.hears('newMessage', 2 * each)));
	const answers = await Promise.all([...amina.answers, ...brahim.answers]);
	ok(answers.every((answer) => answer.ok), 'all messages were taken');
	is(answers.map(({ sequence }) => sequence).sort((a, b) => a - b), upTo(2 * each), 'each once');
	for (const app of [amina, brahim, zineb])
		is(app.heard, upTo(2 * each), `${app.user} heard all of them, once, in order`);
	for (const app of [amina, brahim])
		is(amina.named('newMessage').filter(({ senderId }) => senderId === app.user).map(({ text }) => text),
			upTo(each).map((n) => `${app.user} says ${n}`), `those of ${app.user} in the order in which they were written`);
	ok(one.child.exitCode === null && two.child.exitCode === null, 'no gateway died of the restart');

	/* Reading. */

	is((await zineb.ask('mark-read', { chatId, sequence: 2 * each })).sequence, 2 * each, 'the administrator has read them');
	await until(() => amina.named('messagesRead').some(({ userId, sequence }) => userId === 'zineb' && sequence === 2 * each));
	ok(true, 'which the others see');
	is((await zineb.ask('mark-read', { chatId, sequence: 3 })).sequence, 2 * each, 'and a mark does not go back');
	const page = await amina.ask('load-messages', { chatId, before: 11, limit: 5 });
	is(page.messages.map(({ sequence }) => sequence), [6, 7, 8, 9, 10], 'history');

	/* Leaving. */

	await zineb.sees('amina w1 zineb');
	brahim.socket.io.reconnection(false);
	brahim.drop();
	await zineb.sees('amina zineb');
	ok(true, 'who drops out is seen to be gone');
	await amina.ask('leave-chat', chatId);
	await zineb.sees('zineb');
	// her gateway may hear of it later than zineb's
	await until(async () => !(await amina.ask('agent-typing', chatId)).ok);
	ok(true, 'and so is who leaves, who cannot type there any more');
	amina.isLooking = false;
	brahim.socket.connect();
	await zineb.sees('w1 zineb');
	await sql("SELECT washminute.advance_request($1, 'w1', 'pending')", chatId);
	await zineb.sees('zineb');
	await until(async () => !(await brahim.ask('agent-typing', chatId)).ok);
	ok(true, 'a washman who gives the job back is out of the room at once');
	is((await brahim.ask('send-message', { chatId, clientMessageId: 'late', text: 'x' })).ok, false, 'and writes no more');
});
