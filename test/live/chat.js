'use strict';

/*
 * A chat in a terminal, by a stock client of Socket.IO: a line that is typed is a message.
 *
 *	node test/live/chat.js URL TOKEN CHAT
 *
 * Messages have ids of the app's own and are sent until they are answered, so that each is there
 * once, whatever becomes of the connection; the chat on the screen is joined at each connection.
 * Ends with its input, when all is answered.
 */

const { randomUUID } = require('node:crypto');
const readline = require('node:readline');
const { io } = require('socket.io-client');

const [url, token, chatId] = process.argv.slice(2);
if (chatId === undefined)
{
	console.error('node test/live/chat.js URL TOKEN CHAT');
	process.exit(2);
}

let since = null;
let viewers = '';
let read = 0;
const tell = (text) => console.log(text);
const socket = io(url, { auth: (give) => give({ token, since }), retries: 1000, ackTimeout: 1000 });

socket.on('connect', () => socket.emit('join-chat', { chatId }, (error, answer) => answer?.ok || tell(`(${answer?.error})`)));
socket.on('connect_error', (error) => error.data?.code && tell(`(${error.data.code})`));
socket.on('disconnect', (reason) => tell(`(${reason})`));
socket.onAny((event, data) => { since = data?.eid ?? since; });
socket.on('newMessage', (message) =>
{
	if (message.chatId !== chatId)
		return;
	tell(`${message.sequence} ${message.senderId}: ${message.text}`);
	read = message.sequence;
	socket.emit('mark-read', { chatId, sequence: read });
});
socket.on('messagesRead', ({ userId, sequence }) => tell(`(${userId} has read up to ${sequence})`));
socket.on('agent-typing-update', ({ userId, isTyping }) => isTyping && tell(`(${userId} is typing)`));
socket.on('chat-viewers-updated', (list) =>
{
	const now = list.viewers.map((viewer) => viewer.userId ?? viewer).join(' and ');
	if (now !== viewers)
		tell(`(here: ${viewers = now})`);
});

const waiting = new Set();
readline.createInterface({ input: process.stdin }).on('line', (text) =>
{
	socket.volatile.emit('agent-typing', { chatId, isTyping: true });
	const sent = socket.emitWithAck('send-message', { chatId, clientMessageId: randomUUID(), text })
		.then((answer) => answer.ok || tell(`(${answer.error})`))
		.finally(() => waiting.delete(sent));
	waiting.add(sent);
}).on('close', async () =>
{
	await Promise.all(waiting);
	socket.disconnect();
});
