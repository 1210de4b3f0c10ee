/*
 * Socket.IO before washminute: lets clients in by their token, hands each of their events to the
 * database, and the database's events to them.  It knows neither rules nor events: washminute_api's
 * rt_connect, rt_event and rt_disconnect do.  What must not be lost is not here.
 */

import http from 'node:http';
import pg from 'pg';
import { Server } from 'socket.io';
import { createAdapter } from '@socket.io/postgres-adapter';
import { settings } from './settings.js';
import { Stream } from './stream.js';
import { claimsOf } from './token.js';

const typing = { 'agent-typing': 'agent-typing-update' };	// told to the room by the gateway alone
const longestTimer = 2 ** 31 - 1;
const mostMissed = 5000;	// events that are kept in memory for one who comes in

const log = (text) => console.log(text);
const pool = new pg.Pool({
	...settings.database,
	fallback_application_name: 'washminute gateway',
	max: settings.pool,
	keepAlive: true,
	connectionTimeoutMillis: 5000,
	statement_timeout: 5000,
	query_timeout: 10000
});
const stream = new Stream(pool, settings, log);

// A function of washminute_api: what it answers.
async function ask(name, ...values)
{
	const parameters = values.map((_, i) => `$${i + 1}`).join(', ');
	const client = await pool.connect();
	let broken;
	try
	{
		const { rows } = await client.query({ name, text: `SELECT washminute_api.${name}(${parameters}) AS answer`, values });
		return rows[0].answer;
	}
	catch (error)
	{
		broken = !isRefusal(error);		// a connection is good for more after a refusal
		throw error;
	}
	finally
	{
		client.release(broken);
	}
}

const isRefusal = ({ code }) => /^(PT4|22)/.test(code);

// What the database refuses, as clients are told; undefined where it is not known what became of it.
function refusal(error)
{
	if (isRefusal(error))
		return { ok: false, error: /^WM_\w+/.exec(error.detail)?.[0] ?? 'WM_ARGUMENT_INVALID', message: error.message };
	log(`database: ${error.message}`);
	return undefined;
}

// Whether a connection may ask once more, be it to come in: of settings.burst at once, settings.rate a second.
function spend(connection)
{
	const now = Date.now();
	const { left, at } = connection.allowance ?? { left: settings.burst, at: now };
	const allowance = Math.min(settings.burst, left + (now - at) / 1000 * settings.rate);
	const isGiven = allowance >= 1;
	connection.allowance = { left: isGiven ? allowance - 1 : allowance, at: now };
	return isGiven;
}

const tooMany = { ok: false, error: 'WM_TOO_MANY_REQUESTS', message: 'too many requests' };

/* Who left: told to the database in batches, until it has heard. */

const gone = new Set();
let telling;

function leave(id, delay = 200)
{
	gone.add(id);
	telling ??= setTimeout(tellWhoLeft, delay);
}

async function tellWhoLeft()
{
	const ids = [...gone];
	gone.clear();
	let delay;
	await ask('rt_disconnect', ids).catch((error) =>
	{
		log(`database: ${error.message}`);
		ids.forEach((id) => gone.add(id));
		delay = 1000;
	});
	telling = undefined;
	gone.forEach((id) => leave(id, delay));
}

/* The server. */

const server = http.createServer((request, response) =>
{
	const { sockets, adapter } = io.of('/');
	const health = { ...stream.health(), connections: io.engine.clientsCount, sockets: sockets.size,
		rooms: adapter.rooms.size, sids: adapter.sids.size };
	const isAsked = request.url === '/health';
	response.writeHead(!isAsked ? 404 : health.ok ? 200 : 503, { 'Content-Type': 'application/json' });
	response.end(isAsked ? JSON.stringify(health) : '');
});

const io = new Server(server, {
	adapter: stream.follow(createAdapter(pool, {
		channelPrefix: settings.channelPrefix,
		tableName: settings.attachments,
		errorHandler: (error) => stream.fail(error)
	})),
	// who comes while the database is away is told to come again
	allowRequest: (request, decide) => decide(null, stream.isReady),
	transports: settings.transports,
	cors: settings.origins && { origin: settings.origins },
	maxHttpBufferSize: 65536,
	connectTimeout: 10000,
	perMessageDeflate: false,
	serveClient: false
});

// Who was connected while events went by unheard comes again, and says what he saw last.
stream.on('lost', () => Object.values(io.engine.clients).forEach((client) => client.close(true)));

io.use(async (socket, next) =>
{
	const { conn, handshake: { auth: { token, since }, headers } } = socket;
	// other servers may ask for the handshake
	delete socket.handshake.auth.token;
	delete headers.authorization;
	delete headers.cookie;
	const refuse = (answer) => next(Object.assign(new Error(answer.message), { data: { code: answer.error } }));
	if (!stream.isReady)			// lost since allowRequest, and before this connection could be closed
	{
		conn.close();
		return refuse({ message: 'try again' });
	}
	// one at a time: each asks the database
	if (conn.isEntering || !spend(conn))
		return refuse(tooMany);
	conn.isEntering = true;
	try
	{
		const mark = stream.mark();
		const claims = await claimsOf(token);
		if (claims === null)
			return refuse({ error: 'WM_TOKEN_REFUSED', message: 'the token is not good for this' });
		const enter = (after) => ask('rt_connect', JSON.stringify(claims), socket.id, stream.name, after);
		const isPosition = /^\d{1,18}$/.test(since);
		const entry = await enter(isPosition ? since : null);
		if (since && !isPosition)
			entry.tooOld = true;
		while (entry.more && entry.missed.length < mostMissed)
		{
			const { events, cursor, more } = await ask('rt_event', JSON.stringify(claims), socket.id, stream.name,
				'catch-up', JSON.stringify({ after: entry.cursor }));
			entry.missed.push(...events);
			Object.assign(entry, { cursor, more });
		}
		if (entry.more)
			Object.assign(entry, await enter(null), { tooOld: true });
		socket.entry = { ...entry, claims, mark };
		next();
	}
	catch (error)
	{
		const answer = refusal(error);
		// a client that is refused does not come again by itself, one whose connection is lost does
		if (answer === undefined)
			conn.close();
		refuse(answer ?? { message: 'try again' });
	}
	finally
	{
		conn.isEntering = false;
	}
});

io.on('connection', (socket) =>
{
	const { claims, mark, userId, join, cursor = 0, missed = [], tooOld, expiresAt } = socket.entry;
	delete socket.entry;

	const expiry = expiresAt &&
		setTimeout(() => socket.conn.close(), Math.min(expiresAt * 1000 - Date.now(), longestTimer));
	socket.on('disconnect', () =>
	{
		clearTimeout(expiry);
		stream.dismiss(socket);
		leave(socket.id);
	});

	socket.join(join);
	for (const { eid, event, data } of missed)
		socket.emit(event, { ...data, eid });
	// from where on it will hear; after resync the app reads everything anew, as what was missed is not known, or too much
	socket.emit(tooOld ? 'resync' : 'ready', { eid: String(cursor) });
	stream.admit(socket, mark, Number(cursor));

	/* One event after the other, so that they are done in the order in which they came. */
	let queue = Promise.resolve();
	let waiting = 0;
	let typedAt = 0;

	socket.onAny((event, ...args) =>
	{
		const answer = typeof args.at(-1) === 'function' ? args.pop() : () => {};
		// those that wait for a slow database are kept in memory
		if (!spend(socket.conn) || waiting >= settings.burst)
			return answer(tooMany);
		if (Object.hasOwn(typing, event))
			return answer(relay(typing[event], args[0]));
		waiting++;
		queue = queue.then(() => handle(event, args)).then((result) =>
		{
			waiting--;
			if (result)
				answer(result);
		});
	});

	// No answer: it is not known whether it was done, and the client may send it again.
	async function handle(event, args)
	{
		try
		{
			return socket.connected && await ask('rt_event', JSON.stringify(claims), socket.id, stream.name, event,
				JSON.stringify(args.length > 1 ? args : args[0] ?? null));
		}
		catch (error)
		{
			return refusal(error);
		}
		finally
		{
			if (!socket.connected)		// what this event did may have come after the leave
				leave(socket.id);
		}
	}

	// To the others in a chat, if the socket is in it; "still typing" once a second.
	function relay(event, argument)
	{
		const { chatId = argument, isTyping = true } = argument ?? {};
		const now = Date.now();
		const room = typeof chatId === 'string' && `chat-${chatId}`;
		if (!socket.rooms.has(room))
			return { ok: false, error: 'WM_CHAT_NOT_FOUND', message: 'not in this chat' };
		if (isTyping && now - typedAt < 1000)
			return { ok: true };
		typedAt = isTyping ? now : 0;
		socket.to(room).volatile.emit(event, { chatId, userId, isTyping: Boolean(isTyping) });
		return { ok: true };
	}
});

process.on('SIGTERM', () =>
{
	setTimeout(() => process.exit(0), 3000).unref();
	io.close(async () =>
	{
		await tellWhoLeft();
		process.exit(0);
	});
});

server.listen(settings.port, settings.host, () => log(`listening on ${server.address().port}`));
