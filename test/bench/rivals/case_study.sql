-- The table of the case study's back end: the geometry is generated from the columns
-- that it writes, and indexed twice, in degrees.  It measures in another projection, so
-- that its search finds no use for either index.
--
-- Beside it two better ones: with an index on the projection, and with the projection
-- kept, instead of made anew for all that a search looks at.

CREATE TABLE bench.drivers (
    id text NOT NULL PRIMARY KEY,
    status text NOT NULL,
    longitude float8 NOT NULL,
    latitude float8 NOT NULL,
    located_at timestamptz NOT NULL,
    place geometry(Point, 4326) NOT NULL
      GENERATED ALWAYS AS (ST_SetSRID(ST_MakePoint(longitude, latitude), 4326)) STORED
);
INSERT INTO bench.drivers (id, status, longitude, latitude, located_at)
SELECT id, 'online', longitude, latitude, now() FROM bench.washmen ORDER BY i;
CREATE INDEX ON bench.drivers USING gist (place);
CREATE INDEX ON bench.drivers USING gist (place) WHERE status = 'online';

CREATE TABLE bench.drivers_indexed (
    id text NOT NULL PRIMARY KEY,
    status text NOT NULL,
    place geometry(Point, 4326) NOT NULL
);
INSERT INTO bench.drivers_indexed SELECT id, status, place FROM bench.drivers;
CREATE INDEX ON bench.drivers_indexed USING gist (ST_Transform(place, 3857));

CREATE TABLE bench.drivers_projected (
    id text NOT NULL PRIMARY KEY,
    status text NOT NULL,
    place_3857 geometry(Point, 3857) NOT NULL
);
INSERT INTO bench.drivers_projected
SELECT id, status, ST_Transform(place, 3857) FROM bench.drivers;
CREATE INDEX ON bench.drivers_projected USING gist (place_3857);
