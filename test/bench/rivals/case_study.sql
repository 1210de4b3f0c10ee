-- The table of the case study's back end: the geometry is generated from the columns
-- that it writes, and indexed in degrees and in the projection that it measures in.

CREATE TABLE bench.drivers (
    id text NOT NULL PRIMARY KEY,
    status text NOT NULL,
    longitude float8 NOT NULL,
    latitude float8 NOT NULL,
    located_at timestamptz NOT NULL,
    place geometry(Point, 4326) NOT NULL
      GENERATED ALWAYS AS (ST_SetSRID(ST_MakePoint(longitude, latitude), 4326)) STORED,
    place_3857 geometry(Point, 3857) NOT NULL
      GENERATED ALWAYS AS (ST_Transform(ST_SetSRID(ST_MakePoint(longitude, latitude), 4326), 3857)) STORED
);
INSERT INTO bench.drivers (id, status, longitude, latitude, located_at)
SELECT id, 'online', longitude, latitude, now() FROM bench.washmen ORDER BY i;
CREATE INDEX ON bench.drivers USING gist (place);
CREATE INDEX ON bench.drivers USING gist (place_3857);
