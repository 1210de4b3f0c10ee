/*
 * What the environment says; the README has the list.  The database is where libpq's variables say
 * (PGHOST, PGDATABASE, ...), or LIVE_DATABASE, a URL.
 */

const env = process.env;
const number = (name, otherwise, least = 0) =>
{
	const value = Number(env[name] || otherwise);
	if (!Number.isInteger(value) || value < least)
		throw new Error(`${name} is no whole number of ${least} or more`);
	return value;
};
const list = (name) => env[name]?.split(',').map((item) => item.trim()).filter(Boolean);

export const settings = {
	database: env.LIVE_DATABASE ? { connectionString: env.LIVE_DATABASE } : {},
	pool: number('LIVE_POOL', 10, 2),
	patience: number('LIVE_PATIENCE', 30, 1) * 1000,
	channelPrefix: env.LIVE_CHANNEL_PREFIX || 'socket.io',
	attachments: 'washminute_data.socket_io_attachments',
	host: env.LIVE_HOST || '127.0.0.1',
	port: number('LIVE_PORT', 3100),
	transports: list('LIVE_TRANSPORTS') ?? ['polling', 'websocket'],
	origins: list('LIVE_ORIGINS'),
	keys: env.LIVE_KEYS,
	algorithms: list('LIVE_ALGORITHMS'),
	issuer: list('LIVE_ISSUER'),
	audience: list('LIVE_AUDIENCE'),
	rate: number('LIVE_RATE', 20),
	burst: number('LIVE_BURST', 60, 1)
};
