UPDATE bench.drivers SET longitude = $2, latitude = $3, located_at = now() WHERE id = $1;
