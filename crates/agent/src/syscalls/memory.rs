//! Mappings.

use crate::lock;
use crate::outcome::{Call, Outcome};
use crate::tasks::is_writable;

/// mmap(2) of a file, shared: stores through it are seen by nobody, so from now on the content counts as changed.
pub(super) fn mmap(call: Call<'_>) -> Outcome {
    if call.agent.objects.any_written_to()
        && let Some((object, fd)) = call.task().hosted(call.int(4))
        && is_writable(&fd)
    {
        lock(&object.content).mapped = true;
    }
    Outcome::Resume
}
