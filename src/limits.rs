//! Every bound of the product, by name. A buffer, loop or state without a bound here does not exist.

/// Events in one batch.
pub const BATCH_EVENTS_MAX: usize = 1024;
/// Bytes of text a batch may refer to before a source closes it; one larger event travels alone.
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// Bytes of the names of columns, repeated for each of a chunk's CSV records. One record is always taken.
pub const CSV_NAMES_BYTES_MAX: usize = 4 << 20;
/// How deep the quick check of a schema follows its parts, and how many there may be; a larger schema is checked by the validator alone.
pub const SCHEMA_RULE_DEPTH_MAX: usize = 32;
pub const SCHEMA_RULES_MAX: usize = 4096;
/// Columns that are cut out of events for the check of whole events alone; where it would take more, each event is read again.
pub const SCHEMA_COLUMNS_MAX: usize = 128;
/// Batches that wait in the channel of one edge.
pub const EDGE_BATCHES_MAX: usize = 4;
/// Nodes fused into one task: each is a call within the one before it.
pub const FUSED_NODES_MAX: usize = 32;
/// Barriers and commits that wait for a source.
pub const CONTROL_MAX: usize = 16;
/// Reports of tasks that wait for the coordinator.
pub const REPORTS_MAX: usize = 256;
/// Milliseconds that a reload waits to see whether a new connection can be made.
pub const PREPARE_MAX_MS: u64 = 30_000;
/// Milliseconds after which a change that could not be taken up is tried again; the pause doubles.
pub const RELOAD_PAUSE_MS: u64 = 1_000;
/// The longest such pause.
pub const RELOAD_PAUSE_MAX_MS: u64 = 30_000;
/// Milliseconds after which it is told again that checkpoints cannot be written; the pause doubles.
pub const TROUBLE_PAUSE_MS: u64 = 10_000;
/// The longest such pause.
pub const TROUBLE_PAUSE_MAX_MS: u64 = 600_000;
/// Bytes of changed state that are kept where checkpoints cannot be written; beyond it the next one has all of the state.
pub const UNSAVED_BYTES_MAX: usize = 64 << 20;
/// A batch whose selection keeps fewer than one row in this many is compacted before it crosses an edge.
pub const COMPACT_BELOW_ONE_IN: usize = 4;
/// Bytes of text a compacted batch may hold; a batch that refers to more is passed on as it is.
pub const COMPACT_BYTES_MAX: usize = 256 << 20;
/// Texts one batch may refer to; beyond it the batch is compacted into one.
pub const BATCH_TEXTS_MAX: usize = 256;
/// Bytes of one event, its line or message (`limits.line`).
pub const LINE_BYTES_MAX: usize = 16 << 20;
/// The most that `limits.line` may be raised to: ranges of text are 32 bits wide.
pub const LINE_BYTES_CEILING: usize = 512 << 20;
/// Text that a sink encodes at once; one larger event is encoded alone.
pub const ENCODE_BYTES_MAX: usize = 4 << 20;
/// Nesting of one event; the event itself is depth 1 (`limits.depth`).
pub const JSON_DEPTH_MAX: usize = 128;
/// Names of an object whose text a decoder remembers; those beyond are looked up each time.
pub const SHAPE_KEYS_MAX: usize = 64;
/// Objects in an event whose names a decoder remembers, besides those in which something is demanded.
pub const SHAPE_LEVELS_MAX: usize = 64;
/// Bytes of JSON that are made of one event in a binary form, and of all that are decoded together.
pub const BINARY_TEXT_BYTES_MAX: usize = 256 << 20;
/// Items of no bytes (nulls, empty records) in the arrays of one Avro event: their count alone says how many there are.
pub const AVRO_EMPTY_ITEMS_MAX: usize = 100_000;
/// Bytes of one decimal of Avro; their digits take time that grows with the square of them.
pub const AVRO_DECIMAL_BYTES_MAX: usize = 256;
/// Digits behind the point of a decimal of Avro.
pub const AVRO_SCALE_MAX: usize = 1024;
/// Nodes of a value of Avro that are compiled where it stands, not as a block that is called.
pub const AVRO_INLINE_NODES_MAX: usize = 64;
/// Levels of values that are looked into for the fewest bytes that they have.
pub const AVRO_WIDTH_ROUNDS_MAX: usize = 64;
/// Operations of a program for Avro after which records are compiled as blocks, wherever they stand.
pub const AVRO_INLINE_OPS_MAX: usize = 1 << 14;
/// Schemas of writers for which a decoder keeps programs; beyond it they are compiled anew.
pub const AVRO_PROGRAMS_MAX: usize = 256;
/// Nesting of values while containers are cut into events; deeper ones than `limits.depth` are refused one by one afterwards.
pub const AVRO_CUT_DEPTH_MAX: usize = 1024;
/// Values of one event that are looked at in vain when it is written as Avro: in branches of unions that turn out not to fit.
pub const AVRO_WASTED_VALUES_MAX: u64 = 1 << 18;
/// Bytes of the head of an Avro container: its schema, and what else was noted.
pub const AVRO_HEAD_BYTES_MAX: usize = 8 << 20;
/// Bytes of one block of an Avro container, as it is stored and uncompressed; more only if `limits.line` is more.
pub const AVRO_BLOCK_BYTES_MAX: usize = 64 << 20;
/// Bytes a source reads at once.
pub const READ_BYTES: usize = 256 << 10;
/// Chunks of one source that are read at once, on as many cores.
pub const READ_APART_CHUNKS_MAX: usize = 8;
/// A smaller chunk is read in the source's own task.
pub const READ_APART_BYTES_MIN: usize = 16 << 10;
/// Bytes of an undecodable event kept in its error event.
pub const RAW_BYTES_KEPT_MAX: usize = 64 << 10;
/// Firsts that `dedupe` forgets in one go; then the task may do something else.
pub const EXPIRE_STEP_MAX: usize = 1 << 14;
/// Bytes of one key of state (`dedupe`, `window`, `throttle`).
pub const KEY_BYTES_MAX: usize = 4 << 10;
/// Bytes of the file of a table (`enrich`), all of which is held in memory.
pub const TABLE_BYTES_MAX: usize = 256 << 20;
/// Bytes of one row of a table (`enrich`), as JSON: it is copied into every event that it is found for.
pub const TABLE_ROW_BYTES_MAX: usize = 64 << 10;
/// Rows of a table (`enrich`).
pub const TABLE_ROWS_MAX: usize = 10_000_000;
/// Fields of the key of a window.
pub const KEY_FIELDS_MAX: usize = 32;
/// Windows, or panes of windows, that a stage keeps open over all its keys.
pub const WINDOWS_OPEN_MAX: usize = 16_000_000;
/// Values that `collect` keeps for a key and window where it is not told.
pub const COLLECT_DEFAULT: usize = 1_000;
/// Bytes that `collect`, `distinct` or `top` keep for a key and window: what they give must fit into one event.
pub const AGGREGATE_BYTES_MAX: usize = LINE_BYTES_MAX;
/// Fields of one object that `schema infer` tells apart; more are the keys of a map.
pub const INFER_FIELDS_MAX: usize = 512;
/// Fields of all objects together that it tells apart.
pub const INFER_NODES_MAX: usize = 20_000;
/// Different texts of a field that it keeps, to see whether they are an enum's.
pub const INFER_SYMBOLS_MAX: usize = 32;
/// Bytes of each of these texts.
pub const INFER_SYMBOL_BYTES_MAX: usize = 64;
/// Bytes of the file of an event type.
pub const SCHEMA_BYTES_MAX: u64 = 4 << 20;
/// Versions of one event type in a folder.
pub const SCHEMA_VERSIONS_MAX: usize = 10_000;

/// Bytes of one answer of a schema registry: a schema whose characters are all escaped, and what is told of it.
pub const REGISTRY_ANSWER_BYTES_MAX: u64 = 6 * SCHEMA_BYTES_MAX + (1 << 20);
/// Characters of what a schema registry says that are shown.
pub const REGISTRY_REASON_CHARS_MAX: usize = 2_000;
/// Times that a registry is asked for the same while it is away.
pub const REGISTRY_ATTEMPTS_MAX: u32 = 4;
/// Milliseconds between the first two attempts; then three times as many each time.
pub const REGISTRY_PAUSE_FIRST_MS: u64 = 100;
/// Milliseconds between two attempts, at most; a registry that wants more of us counts as away.
pub const REGISTRY_PAUSE_MAX_MS: u64 = 5_000;
/// Schemas that a schema refers to, directly or not.
pub const REFERENCES_MAX: usize = 256;
/// References from one schema to the next.
pub const REFERENCE_DEPTH_MAX: usize = 32;
/// Bytes of all schemas that a schema refers to.
pub const REFERENCES_BYTES_MAX: usize = 16 << 20;
/// Numbers of schemas that the events of one topology name and that are kept in mind.
pub const REGISTRY_NUMBERS_MAX: usize = 4096;
/// Files of each folder of what registries have answered.
pub const REGISTRY_CACHE_FILES_MAX: usize = 10_000;
/// Schemas of a registry that is a folder.
pub const REGISTRY_FOLDER_SCHEMAS_MAX: usize = 10_000;
/// Bytes of the index of a registry that is a folder.
pub const REGISTRY_INDEX_BYTES_MAX: u64 = 64 << 20;

const _: () = assert!(REGISTRY_PAUSE_FIRST_MS <= REGISTRY_PAUSE_MAX_MS);
/// Types of an Avro schema, each use of one counted.
pub const AVRO_TYPES_MAX: usize = 100_000;
/// How often the types of a schema are gone through to find records that contain themselves in each of their values.
pub const AVRO_ENDLESS_ROUNDS_MAX: usize = 64;
/// Nesting of an Avro schema's types, and of the values of its defaults.
pub const AVRO_DEPTH_MAX: usize = 64;
/// Nesting of an Avro schema's types where those that it refers to by name are written out.
pub const AVRO_UNFOLDED_DEPTH_MAX: usize = 512;
/// Bytes of a value of an Avro fixed.
pub const AVRO_FIXED_BYTES_MAX: usize = LINE_BYTES_MAX;
/// Bytes that the defaults of an Avro schema have together, in binary.
pub const AVRO_DEFAULTS_BYTES_MAX: usize = 4 << 20;
/// Values that are tried for the defaults of an Avro schema, those of branches of unions that do not fit included.
pub const AVRO_DEFAULTS_STEPS_MAX: usize = 1 << 20;
/// Findings of each severity that are kept of one comparison of two versions.
pub const COMPAT_FINDINGS_MAX: usize = 200;
/// Pairs of types that one comparison of two versions looks at.
pub const COMPAT_STEPS_MAX: usize = 5_000_000;
/// Schemas combined by one `anyOf`, `oneOf` or `allOf` that are compared with another's.
pub const COMPAT_BRANCHES_MAX: usize = 256;
/// Nesting of the types that two versions are compared by, named ones unfolded.
pub const COMPAT_DEPTH_MAX: usize = 256;
/// Changes that are told of two versions.
pub const DIFF_CHANGES_MAX: usize = 1_000;
/// Nesting to which the changes of two versions are looked for.
pub const DIFF_DEPTH_MAX: usize = 128;
/// Levels to which types that contain themselves are unfolded, where they are compared with expressions.
pub const SHAPE_DEPTH_MAX: usize = 32;
/// Types that are looked at in such an unfolding.
pub const SHAPE_NODES_MAX: usize = 20_000;
/// Differences between what comes to a sink and its event type that are told.
pub const SHAPE_MISFITS_MAX: usize = 32;
/// Files that a `.proto` file imports, and those that they import.
pub const PROTO_FILES_MAX: usize = 256;
/// Nesting of brackets in a `.proto` file.
pub const PROTO_NESTING_MAX: usize = 64;
/// Messages and enums that a `.proto` file has or refers to.
pub const PROTO_TYPES_MAX: usize = 10_000;
/// Milliseconds after a stop for which a sink goes on trying; what it then still holds goes to its `errors` port.
pub const STOP_GRACE_MS: u64 = 10_000;
/// Milliseconds between the barriers that acknowledgements ride on, where no stage keeps state.
pub const ACK_BARRIER_MS: u64 = 100;
/// Nodes of one topology.
pub const NODES_MAX: usize = 1024;
/// Steps of interpreted Rhai on one event (`limits.operations`).
pub const EXPR_OPERATIONS_MAX: u64 = 1_000_000;
/// Nested calls of functions in an expression. With the nesting of their bodies it must fit a thread's stack, so it is no key.
pub const EXPR_CALLS_MAX: usize = 16;
/// Nesting of the text of an expression, or of a function's body.
pub const EXPR_NESTING_MAX: usize = 64;
/// Functions of files put in place within each other in a compiled expression; deeper ones are interpreted.
pub const EXPR_INLINE_DEPTH_MAX: usize = 8;
/// Nodes of one compiled expression, its functions put in place; a larger one is interpreted.
pub const EXPR_NODES_MAX: usize = 4096;
/// Parts of an expression, its functions put in place, whose types are looked at; of a larger one nothing is said.
pub const TYPE_NODES_MAX: usize = 4 * EXPR_NODES_MAX;
/// Bytes of a string that an expression makes (`limits.string`).
pub const EXPR_STRING_BYTES_MAX: usize = 1 << 20;
/// Items of an array that an expression makes (`limits.array`).
pub const EXPR_ARRAY_ITEMS_MAX: usize = 100_000;
/// Fields of an object that an expression makes (`limits.map`).
pub const EXPR_MAP_FIELDS_MAX: usize = 10_000;
/// Compiled regexes and formats that one expression keeps.
pub const EXPR_PREPARED_MAX: usize = 32;
/// Bytes of one compiled regular expression.
pub const EXPR_REGEX_BYTES_MAX: usize = 1 << 20;
/// Bytes that one regular expression uses to remember what it has matched.
pub const EXPR_REGEX_CACHE_BYTES_MAX: usize = 1 << 20;
/// Bytes that one call may look at where it looks for many texts in one.
pub const EXPR_SEARCH_BYTES_MAX: usize = 1 << 30;
/// Bytes of text that the expressions of one operator make for one batch.
pub const EXPR_ARENA_BYTES_MAX: usize = 256 << 20;
/// Bytes that a filter keeps for the text it makes, from one batch to the next.
pub const EXPR_SCRATCH_BYTES_KEPT_MAX: usize = 4 << 20;
/// Messages of a JetStream stream that wait in memory or have been asked for.
pub const NATS_PULL_EVENTS_MAX: usize = 2 * BATCH_EVENTS_MAX;
/// Bytes of one request for messages of a stream; nothing more is asked for while so many wait. A larger message comes alone.
pub const NATS_PULL_BYTES_MAX: usize = 4 << 20;
/// Messages of a NATS subscription that the client holds; on a plain subject what comes beyond is lost, counted and told.
pub const NATS_UNREAD_MAX: usize = 8 * BATCH_EVENTS_MAX;
/// Barriers under way that a JetStream source remembers one by one.
pub const NATS_BARRIERS_MAX: usize = 1024;
/// Acknowledged messages of a stream that are remembered, so that one the server gives again is not read again.
pub const NATS_REMEMBERED_MAX: usize = 1 << 16;
/// Bytes of messages that a JetStream sink holds back for a checkpoint; past half of it, one is asked for before its time.
pub const NATS_HELD_BYTES_MAX: usize = 64 << 20;
/// Notes of a NATS connection that wait for the log.
pub const NATS_NOTES_MAX: usize = 16;

const _: () = assert!(NATS_UNREAD_MAX >= 2 * NATS_PULL_EVENTS_MAX);
/// Encoded bytes that a sink gathers before it writes.
pub const GATHER_BYTES_MAX: usize = 64 << 20;

const _: () = assert!(LINE_BYTES_MAX >= BATCH_BYTES_MAX);
const _: () = assert!(LINE_BYTES_CEILING >= LINE_BYTES_MAX);
const _: () = assert!(LINE_BYTES_CEILING < u32::MAX as usize / 4);
// A table's rows are counted in u32: four times its file (CSV repeats the names), and one more row of escapes.
const _: () = assert!(10 * TABLE_BYTES_MAX < u32::MAX as usize);
const _: () = assert!(COMPACT_BYTES_MAX + LINE_BYTES_CEILING < u32::MAX as usize / 4);
const _: () = assert!(BATCH_TEXTS_MAX < u16::MAX as usize);
const _: () = assert!(BATCH_EVENTS_MAX < u32::MAX as usize);

/// Problems shown in one report; the rest is counted.
pub const DIAGNOSTICS_SHOWN_MAX: usize = 100;

/// Lines that a file sink gathers for one file before it writes them.
pub const FILE_BUFFER_BYTES_MAX: usize = 1 << 20;
/// Lines that a file sink has at once are written as they are, without being gathered, from so many bytes on.
pub const FILE_WRITE_BYTES_MIN: usize = 64 << 10;
/// Lines that a file sink gathers for all of its files.
pub const FILE_BUFFERS_BYTES_MAX: usize = 8 << 20;
/// Different files that one sink may write in a run: it remembers each, so that none is replaced twice.
pub const SINK_FILES_MAX: usize = 1 << 20;
/// Closed files of a sink whose content may not be on the disk yet; of further ones each waits for the disk.
pub const UNSYNCED_FILES_MAX: usize = 4096;
/// Closed files that a checkpoint of a sink opens at once to wait for the disk; the others it waits for one after the other.
pub const SYNC_HANDLES_MAX: usize = 256;
/// Bytes that a sink's notes may have that no checkpoint needs; beyond it they are written anew.
pub const NOTES_BYTES_KEPT_MAX: u64 = 256 << 10;
/// Checkpoints that a sink's notes know the places of.
pub const NOTES_MARKS_MAX: usize = 64;
/// Files that a sink names in its summary.
pub const WRITTEN_FILES_MAX: usize = 1000;
/// Bytes of a value that stands in the name of a file.
pub const PATH_VALUE_BYTES_MAX: usize = 200;
/// Chunks that wait between the thread that reads and the task that decodes. The thread goes on when half of them are gone.
pub const READ_AHEAD_CHUNKS: usize = 8;
/// Files that the pattern of a source may match.
pub const SOURCE_FILES_MAX: usize = 100_000;
/// Bytes at the start of a file by which it is known again.
pub const FINGERPRINT_BYTES: usize = 1 << 10;
/// Files that are followed at once, and that a position names.
pub const FOLLOWED_FILES_MAX: usize = 10_000;
/// Followed files that are held open.
pub const FOLLOWED_OPEN_MAX: usize = 32;
/// Bytes that are read of one followed file before the next one has its turn.
pub const FOLLOW_TURN_BYTES: usize = 16 << 20;
/// Bytes of an unfinished line that are kept for each of several followed files.
pub const FOLLOW_HELD_BYTES_MAX: usize = 1 << 20;
/// Warnings of a connector that wait for the log.
pub const NOTES_MAX: usize = 64;

const _: () = assert!(FILE_BUFFER_BYTES_MAX >= FILE_WRITE_BYTES_MIN);
const _: () = assert!(FILE_BUFFERS_BYTES_MAX >= FILE_BUFFER_BYTES_MAX);
const _: () = assert!(PATH_VALUE_BYTES_MAX < 255);
/// Problems kept with their texts; the rest is counted.
pub const DIAGNOSTICS_KEPT_MAX: usize = 10_000;
/// Characters of a name for which a near one is looked for.
pub const SUGGESTION_CHARS_MAX: usize = 64;
/// Bytes of a file that a topology is made of, by which a change of it is seen.
pub const WATCHED_BYTES_MAX: usize = 16 << 20;
/// Topologies that one process runs.
pub const TOPOLOGIES_MAX: usize = 256;
/// Links that are followed to a file.
pub const WATCHED_LINKS_MAX: usize = 40;
/// Bytes of a topology's file.
pub const SPEC_BYTES_MAX: usize = 4 << 20;
/// Values of a topology's file, aliases counted as what they stand for.
pub const SPEC_NODES_MAX: usize = 100_000;
/// Nesting of a topology's file.
pub const SPEC_DEPTH_MAX: usize = 64;
/// Bytes that one block of a checkpoint holds; a larger record has one of its own.
pub const STORE_BLOCK_BYTES: usize = 4 << 20;
/// The largest block of a checkpoint, and so the largest record of a state.
pub const STORE_BLOCK_BYTES_MAX: usize = 1 << 30;
/// Bytes of the manifest of a checkpoint.
pub const STORE_MANIFEST_BYTES_MAX: usize = 64 << 20;
/// Bytes of a position that stand in the manifest itself; a longer one stands in a segment.
pub const STORE_POSITION_BYTES_INLINE: usize = 4 << 10;
/// Manifests kept: the newest, and the one that is used where that is damaged.
pub const STORE_MANIFESTS_KEPT: usize = 2;
/// Segments of one checkpoint; where there are more, they are merged.
pub const STORE_SEGMENTS_MAX: usize = 64;
/// Bytes of a store that are never worth a merge.
pub const STORE_MERGE_BYTES_MIN: u64 = 1 << 20;
/// Changed keys that a merge keeps in mind at once (about 50 bytes each); for more it reads the segments again.
pub const STORE_MERGE_KEYS_MAX: usize = 1 << 20;
/// Bytes that a merge gathers before it writes them.
pub const STORE_MERGE_BUFFER_BYTES: usize = 8 << 20;
/// Bytes that a snapshot makes room for at once, by what its first records say of the others.
pub const SNAPSHOT_RESERVE_BYTES_MAX: usize = 256 << 20;

const _: () = assert!(STORE_BLOCK_BYTES <= STORE_BLOCK_BYTES_MAX);
// The highest bit of a block's length says something else.
const _: () = assert!(STORE_BLOCK_BYTES_MAX < 1 << 31);
const _: () = assert!(STORE_BLOCK_BYTES_MAX > AGGREGATE_BYTES_MAX);
const _: () = assert!(STORE_MANIFESTS_KEPT >= 2);
const _: () = assert!(NODES_MAX * 2 * STORE_POSITION_BYTES_INLINE < STORE_MANIFEST_BYTES_MAX);
