//! What writes files behind the kernel's notices: mappings and asynchronous I/O.

use crate::lock;
use crate::outcome::{Call, Outcome};
use crate::tasks::is_writable;

/// mmap(2) of a file, shared: stores through it are seen by nobody, so from now on the content counts as changed.
pub(super) fn mmap(call: Call<'_>) -> Outcome {
    if call.agent.objects.any_written_to()
        && let Some((object, fd)) = call.task().hosted(call.int(4))
        && is_writable(&fd)
    {
        lock(&object.content).untold = true;
    }
    Outcome::Resume
}

/// io_setup(2): who can submit writes that are told by nobody will do so to any file.
pub(super) fn io_setup(call: Call<'_>) -> Outcome {
    call.agent.objects.note_untold_writers();
    Outcome::Resume
}
