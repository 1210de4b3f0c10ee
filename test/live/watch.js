'use strict';

/*
 * Watches what somebody is told live, as his app would: a stock client of Socket.IO that says what it
 * saw last when it comes again.
 *
 *	node test/live/watch.js URL TOKEN [SINCE]
 */

const { io } = require('socket.io-client');

const [url, token, since = null] = process.argv.slice(2);
if (token === undefined)
{
	console.error('node test/live/watch.js URL TOKEN [SINCE]');
	process.exit(2);
}

const tell = (...words) => console.log(new Date().toTimeString().slice(0, 8), ...words);
let last = since;
const socket = io(url, { auth: (give) => give({ token, since: last }) });

socket.on('connect', () => tell('connected'));
socket.on('disconnect', (reason) => tell(`disconnected: ${reason}`));
socket.on('connect_error', (error) => tell(`not let in: ${error.data?.code ?? error.message}`));
socket.onAny((event, data) =>
{
	last = data?.eid ?? last;
	tell(event, JSON.stringify(data));
});
