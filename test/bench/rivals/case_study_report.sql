UPDATE bench.drivers SET longitude = :longitude, latitude = :latitude, located_at = now() WHERE id = 'w' || :i;
