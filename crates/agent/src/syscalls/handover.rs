//! What a Mynah asks that finds itself below this one: [`mynah_intercept::handover`] is the contract.

use crate::outcome::{Call, Outcome};
use mynah_intercept::handover::{Op, REPLY_MAX, REQUEST_MAX, VERSION};
use mynah_intercept::memory;
use mynah_vfs::{Errno, Error};
use std::sync::Arc;
use std::time::Duration;

/// The part of a request to enter that comes before the mounts.
const TIMEOUT_BYTES: usize = size_of::<u64>();

pub(super) fn answer(call: Call<'_>) -> Outcome {
    let op = usize::try_from(call.arg(1)).ok().and_then(|number| Op::ALL.get(number));
    match op {
        Some(Op::Hello) => Outcome::Value(VERSION),
        Some(Op::Enter) => enter(call),
        Some(Op::Keep) => match call.agent.keep_too(call.tid()) {
            Some(kept) => told(call, kept),
            None => Outcome::Errno(Errno::EPERM),
        },
        Some(Op::Launched) => {
            call.agent.tasks.launched(call.tid());
            Outcome::DONE
        }
        Some(Op::Settle) => settle(call),
        None => Outcome::Errno(Errno::EINVAL),
    }
}

fn enter(call: Call<'_>) -> Outcome {
    let request = match request(call) {
        Ok(request) => request,
        Err(errno) => return Outcome::Errno(errno),
    };
    let Some((timeout_ms, mounts)) = request.split_first_chunk::<TIMEOUT_BYTES>() else {
        return Outcome::Errno(Errno::EINVAL);
    };
    let timeout = Duration::from_millis(u64::from_le_bytes(*timeout_ms));
    told(call, call.agent.enter(call.tid(), timeout, mounts))
}

fn request(call: Call<'_>) -> Result<Vec<u8>, Errno> {
    let length =
        usize::try_from(call.arg(3)).ok().filter(|&length| length <= REQUEST_MAX).ok_or(Errno::E2BIG)?;
    let mut request = vec![0; length];
    memory::read(call.tid(), call.pointer(2), &mut request).map_err(|_| Errno::EFAULT)?;
    Ok(request)
}

/// What is wrong is told in words.
fn told(call: Call<'_>, result: Result<(), Error>) -> Outcome {
    reply(call, result.map_or_else(|error| error.to_string(), |()| String::new()))
}

fn reply(call: Call<'_>, text: String) -> Outcome {
    let mut bytes = text.into_bytes();
    bytes.truncate(REPLY_MAX);
    if bytes.is_empty() {
        return Outcome::DONE;
    }
    Outcome::Fill { to: call.pointer(4), value: bytes.len() as i64, bytes }
}

fn settle(call: Call<'_>) -> Outcome {
    let Some(run) = call.agent.kept_by(call.tid()) else { return Outcome::Errno(Errno::EPERM) };
    let agent = Arc::clone(call.agent);
    let notification = *call.notification;
    Outcome::wait(async move {
        let lost = agent.settle_run(&run).await;
        reply(Call { agent: &agent, notification: &notification }, lost.join("\n"))
    })
}
