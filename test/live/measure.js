'use strict';

// Preloaded into a gateway, with --expose-gc: what its heap holds after garbage was collected, on SIGUSR2.
process.on('SIGUSR2', () =>
{
	for (let i = 0; i < 3; i++)
		global.gc();
	console.log(`heap ${process.memoryUsage().heapUsed}`);
});
