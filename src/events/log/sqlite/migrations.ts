/** Generated from migrations/*.sql by `node migrations/embed.ts`: edit those, not this. */
export type Migration = {
  readonly number: number
  readonly name: string
  readonly sha256: string
  readonly sql: string
}

export const migrations: readonly Migration[] = [
  {
    number: 1,
    name: '0001-events.sql',
    sha256: '0429ef25b124480620151c3b7dc205806cc0d42cd065838d865a191e20c18f0b',
    sql: `-- Format 1 of a log segment.
--
-- body is the event: its whole envelope as JSON, byte for byte what the chain hashes. Every other column
-- but hash is a copy out of it, there for the indexes, and compared with it by verify.

CREATE TABLE events (
  seq    INTEGER PRIMARY KEY,
  stream TEXT    NOT NULL,
  ver    INTEGER NOT NULL CHECK (ver > 0),
  id     TEXT    NOT NULL,
  key    TEXT,
  op     TEXT,
  type   TEXT    NOT NULL,
  t      INTEGER NOT NULL,
  hash   BLOB    NOT NULL CHECK (length(hash) = 32),
  body   BLOB    NOT NULL
) STRICT;

CREATE UNIQUE INDEX events_stream_ver ON events (stream, ver);
CREATE UNIQUE INDEX events_id ON events (id);
CREATE UNIQUE INDEX events_key ON events (key) WHERE key IS NOT NULL;

-- One row: where this segment stands in the row of segments. previous is the hash that its first event
-- is chained to.
CREATE TABLE segment (
  number   INTEGER PRIMARY KEY CHECK (number > 0),
  first    INTEGER NOT NULL CHECK (first > 0),
  previous BLOB    NOT NULL CHECK (length(previous) = 32)
) STRICT;

CREATE TRIGGER segment_is_one BEFORE INSERT ON segment WHEN (SELECT count(*) FROM segment) > 0
BEGIN SELECT RAISE(ABORT, 'a segment has one number'); END;
CREATE TRIGGER segment_is_fixed BEFORE UPDATE ON segment
BEGIN SELECT RAISE(ABORT, 'the log is never changed'); END;
CREATE TRIGGER segment_stays BEFORE DELETE ON segment
BEGIN SELECT RAISE(ABORT, 'the log is never deleted'); END;

CREATE TRIGGER events_gap_free BEFORE INSERT ON events
WHEN NEW.seq IS NOT coalesce((SELECT max(seq) FROM events) + 1, (SELECT first FROM segment))
BEGIN SELECT RAISE(ABORT, 'seq must be the last one plus 1'); END;
CREATE TRIGGER events_are_fixed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER events_stay BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
`,
  },
]
