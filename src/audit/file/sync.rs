/// When a file is brought to the disk before an event counts as recorded.
///
/// Waiting requests share one sync, made by a thread of the sink: no thread of the runtime waits for
/// a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SyncOn {
    /// Never: an event is recorded when it was written. A process that is killed loses nothing; a
    /// machine that loses its power may lose the last seconds. The default.
    #[default]
    Never,
    /// Events that a request waits for: those of requests and of denials. A completion reaches the
    /// disk with the next of them.
    Request,
    /// Every event, completions included.
    EachRecord,
}
