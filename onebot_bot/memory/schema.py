"""The layout of memory.sqlite3: one step per version, kept forever, applied in order."""

from collections.abc import Sequence

Step = Sequence[str]
"""The statements that lead from one version to the next; run in one transaction."""

_MESSAGES: Step = (
    # AUTOINCREMENT: an id that memories or a bar refer to is never given to another message.
    """CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account INTEGER NOT NULL, kind TEXT NOT NULL, peer INTEGER NOT NULL,
        message_id INTEGER,
        user_id INTEGER NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL,
        text TEXT NOT NULL, segments TEXT, reply_to INTEGER,
        time INTEGER NOT NULL,
        placed INTEGER NOT NULL,
        state TEXT NOT NULL,
        created INTEGER NOT NULL,
        turn INTEGER,
        hidden INTEGER NOT NULL DEFAULT 0
    )""",
    """CREATE UNIQUE INDEX messages_known ON messages (account, kind, peer, message_id)
        WHERE message_id IS NOT NULL""",
    "CREATE INDEX messages_view ON messages (account, kind, peer, placed, id) WHERE hidden = 0",
    "CREATE INDEX messages_active ON messages (account, time, kind, peer)",
    """CREATE INDEX messages_unanswered ON messages (account, time)
        WHERE state IN ('pending', 'sending') AND hidden = 0""",
    "CREATE INDEX messages_turn ON messages (account, kind, peer, turn) WHERE turn IS NOT NULL",
    """CREATE TABLE resets (
        account INTEGER NOT NULL, kind TEXT NOT NULL, peer INTEGER NOT NULL,
        after_id INTEGER NOT NULL, placed INTEGER NOT NULL,
        PRIMARY KEY (account, kind, peer)
    ) WITHOUT ROWID""",
)

_MEMORIES: Step = (
    # The vectors come last: reading the columns before them does not touch their pages.
    """CREATE TABLE memories (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account INTEGER NOT NULL, kind TEXT NOT NULL, peer INTEGER NOT NULL,
        shared INTEGER NOT NULL, pinned INTEGER NOT NULL,
        status TEXT NOT NULL, superseded_by INTEGER REFERENCES memories (id),
        importance REAL NOT NULL,
        speaker INTEGER,
        maker TEXT NOT NULL DEFAULT '', exact INTEGER,
        event_time INTEGER, created INTEGER NOT NULL,
        recalled_at INTEGER, recall_count INTEGER NOT NULL DEFAULT 0,
        fingerprint TEXT NOT NULL,
        subjects TEXT NOT NULL, source_ids TEXT NOT NULL, text TEXT NOT NULL,
        value_rows INTEGER NOT NULL DEFAULT 0,
        key BLOB, value BLOB
    )""",
    "CREATE INDEX memories_scope ON memories (account, kind, peer, status, id)",
    "CREATE INDEX memories_before ON memories (superseded_by) WHERE superseded_by IS NOT NULL",
    "CREATE INDEX memories_made_by ON memories (status, fingerprint)",
    "CREATE TABLE barred_sources (source_id INTEGER PRIMARY KEY)",
    """CREATE TABLE centres (
        fingerprint TEXT PRIMARY KEY, centre BLOB NOT NULL, head BLOB, serving INTEGER NOT NULL
    ) WITHOUT ROWID""",
    # How far each chat was read for memories.
    """CREATE TABLE extracted (
        account INTEGER NOT NULL, kind TEXT NOT NULL, peer INTEGER NOT NULL, up_to INTEGER NOT NULL,
        PRIMARY KEY (account, kind, peer)
    ) WITHOUT ROWID""",
    # One row: counts every change that an index on disk would have to follow.
    "CREATE TABLE bank (revision INTEGER NOT NULL)",
    "INSERT INTO bank VALUES (0)",
)

_PICTURES: Step = (
    # `stored` counts up: the picture with the least was stored first.
    """CREATE TABLE pictures (
        digest TEXT PRIMARY KEY, bytes INTEGER NOT NULL, pixels INTEGER NOT NULL, stored INTEGER NOT NULL
    ) WITHOUT ROWID""",
    # What is to be seen at a message's segment: one picture, or the frames of a video.
    """CREATE TABLE message_pictures (
        message INTEGER NOT NULL REFERENCES messages (id), segment INTEGER NOT NULL, frame INTEGER NOT NULL,
        digest TEXT NOT NULL REFERENCES pictures (digest) ON DELETE CASCADE,
        PRIMARY KEY (message, segment, frame)
    ) WITHOUT ROWID""",
    "CREATE INDEX message_pictures_same ON message_pictures (digest)",
    # Whichever way a message goes out of view for good, or a memory of it is forgotten: its pictures go too.
    """CREATE TRIGGER pictures_of_hidden AFTER UPDATE OF hidden ON messages WHEN new.hidden
        BEGIN DELETE FROM message_pictures WHERE message = new.id; END""",
    """CREATE TRIGGER pictures_of_barred AFTER INSERT ON barred_sources
        BEGIN DELETE FROM message_pictures WHERE message = new.source_id; END""",
)

_CHAT_SETTINGS: Step = (
    # What a group's admins decided for it, as JSON.
    """CREATE TABLE chat_settings (
        account INTEGER NOT NULL, kind TEXT NOT NULL, peer INTEGER NOT NULL, settings TEXT NOT NULL,
        PRIMARY KEY (account, kind, peer)
    ) WITHOUT ROWID""",
)

_BANS: Step = (
    # Who is not heard until a unix second; NULL: until it is lifted.
    """CREATE TABLE bans (
        user INTEGER PRIMARY KEY, until INTEGER, reason TEXT NOT NULL, by_whom INTEGER NOT NULL, since INTEGER NOT NULL
    )""",
)

_USAGE: Step = (
    # How much was written for each person and group on one day, a date where the people live.
    """CREATE TABLE usage (
        day TEXT NOT NULL, scope TEXT NOT NULL, peer INTEGER NOT NULL,
        answers INTEGER NOT NULL, tokens INTEGER NOT NULL, told INTEGER NOT NULL,
        PRIMARY KEY (day, scope, peer)
    ) WITHOUT ROWID""",
)

_REQUESTS: Step = (
    # Friend requests and invitations; `day`: a date, if the bot dealt with one by itself.
    """CREATE TABLE requests (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account INTEGER NOT NULL, kind TEXT NOT NULL, user INTEGER NOT NULL, grp INTEGER NOT NULL, flag TEXT NOT NULL,
        comment TEXT NOT NULL, came INTEGER NOT NULL, state TEXT NOT NULL, day TEXT NOT NULL,
        UNIQUE (account, kind, user, grp, flag)
    )""",
)

_CHARACTER: Step = (
    # `user` is 0 for a chat as a whole.
    """CREATE TABLE personas_chosen (
        account INTEGER NOT NULL, kind TEXT NOT NULL, peer INTEGER NOT NULL, user INTEGER NOT NULL,
        persona TEXT NOT NULL,
        PRIMARY KEY (account, kind, peer, user)
    ) WITHOUT ROWID""",
    """CREATE TABLE moods (
        account INTEGER NOT NULL, kind TEXT NOT NULL, peer INTEGER NOT NULL, user INTEGER NOT NULL,
        pleasure REAL NOT NULL, energy REAL NOT NULL, changed REAL NOT NULL, emotion TEXT NOT NULL,
        PRIMARY KEY (account, kind, peer, user)
    ) WITHOUT ROWID""",
    # What the bot felt as it wrote an answer, on the first message of it.
    "ALTER TABLE messages ADD COLUMN emotion TEXT NOT NULL DEFAULT ''",
)

_READINGS: Step = (
    # The words of a file, a link or a picture of a message; `place` is a segment, or counts the message's links.
    """CREATE TABLE readings (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        message INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE, kind TEXT NOT NULL, place INTEGER NOT NULL,
        title TEXT NOT NULL, pages INTEGER NOT NULL, read INTEGER NOT NULL, cut INTEGER NOT NULL, text TEXT NOT NULL,
        UNIQUE (message, kind, place)
    )""",
    # As with pictures: they go with the message.
    """CREATE TRIGGER readings_of_hidden AFTER UPDATE OF hidden ON messages WHEN new.hidden
        BEGIN DELETE FROM readings WHERE message = new.id; END""",
    """CREATE TRIGGER readings_of_barred AFTER INSERT ON barred_sources
        BEGIN DELETE FROM readings WHERE message = new.source_id; END""",
)

_FIRST_WORDS: Step = (
    # When the bot last spoke first in a chat, how often in a row without a reaction, and how often on that day.
    """CREATE TABLE first_words (
        account INTEGER NOT NULL, kind TEXT NOT NULL, peer INTEGER NOT NULL,
        at INTEGER NOT NULL, ignored INTEGER NOT NULL, day TEXT NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY (account, kind, peer)
    ) WITHOUT ROWID""",
)

_TALLIES: Step = (
    # What was counted in each chat on each day, a date where the people live.
    """CREATE TABLE tallies (
        day TEXT NOT NULL, account INTEGER NOT NULL, kind TEXT NOT NULL, peer INTEGER NOT NULL,
        what TEXT NOT NULL, amount REAL NOT NULL,
        PRIMARY KEY (day, account, kind, peer, what)
    ) WITHOUT ROWID""",
)


_OWN_DATA: Step = (
    # A chat's lines of talk, side by side. The first is number 1; a chat that never had more than it has no row.
    """CREATE TABLE branches (
        account INTEGER NOT NULL, kind TEXT NOT NULL, peer INTEGER NOT NULL, number INTEGER NOT NULL,
        name TEXT NOT NULL, active INTEGER NOT NULL, prompt TEXT NOT NULL, settings TEXT NOT NULL,
        PRIMARY KEY (account, kind, peer, number)
    ) WITHOUT ROWID""",
    "ALTER TABLE messages ADD COLUMN branch INTEGER NOT NULL DEFAULT 1",
    # The message that this one, in a cloned branch, is a copy of: it is read for memories only once.
    "ALTER TABLE messages ADD COLUMN copy_of INTEGER",
    "DROP INDEX messages_view",
    "CREATE INDEX messages_view ON messages (account, kind, peer, branch, placed, id) WHERE hidden = 0",
    "CREATE INDEX messages_copies ON messages (copy_of) WHERE copy_of IS NOT NULL",
    # What one person said and did in groups: asked for when that is exported or forgotten.
    "CREATE INDEX messages_of_member ON messages (user_id) WHERE kind = 'group' AND role <> 'assistant'",
    # Who is forgotten is taken out of what quotes them.
    "CREATE INDEX messages_quoting ON messages (account, kind, peer, reply_to) WHERE reply_to IS NOT NULL",
    """CREATE TABLE branch_resets (
        account INTEGER NOT NULL, kind TEXT NOT NULL, peer INTEGER NOT NULL, branch INTEGER NOT NULL,
        after_id INTEGER NOT NULL, placed INTEGER NOT NULL,
        PRIMARY KEY (account, kind, peer, branch)
    ) WITHOUT ROWID""",
    "INSERT INTO branch_resets SELECT account, kind, peer, 1, after_id, placed FROM resets",
    "DROP TABLE resets",
    "ALTER TABLE branch_resets RENAME TO resets",
    # People of whom nothing is learned.
    "CREATE TABLE opted_out (user_id INTEGER PRIMARY KEY)",
    # Whose private chat may be shown in whose: once both agree.
    """CREATE TABLE shown_to (
        account INTEGER NOT NULL, reader INTEGER NOT NULL, owner INTEGER NOT NULL,
        reader_agrees INTEGER NOT NULL, owner_agrees INTEGER NOT NULL,
        PRIMARY KEY (account, reader, owner)
    ) WITHOUT ROWID""",
)

STEPS: tuple[Step, ...] = (
    *((*_MESSAGES, *_MEMORIES), _PICTURES, _CHAT_SETTINGS, _BANS, _USAGE, _REQUESTS, _CHARACTER),
    *(_READINGS, _FIRST_WORDS, _TALLIES, _OWN_DATA),
)
"""`STEPS[n]` leads from version n to n + 1."""
