//! Extended attributes of an object that is held.

use super::place::Handle;
use mynah_vfs::XattrHow;
use rustix::buffer::spare_capacity;
use rustix::fs::{self, XattrFlags};
use rustix::io::{Errno as Code, Result};

/// The longest value and the longest list of names that Linux has, in bytes (`XATTR_SIZE_MAX`, `XATTR_LIST_MAX`).
const XATTR_MAX: usize = 64 << 10;

pub(super) fn value(handle: &Handle, name: &[u8]) -> Result<Vec<u8>> {
    let path = handle.proc_path();
    // Most values are short: room for the longest is made only if it is needed.
    let mut value = Vec::with_capacity(256);
    match fs::getxattr(path.as_str(), name, spare_capacity(&mut value)) {
        Err(Code::RANGE) => {
            value.reserve_exact(XATTR_MAX);
            fs::getxattr(path.as_str(), name, spare_capacity(&mut value))?;
        }
        count => {
            count?;
        }
    }
    Ok(value)
}

pub(super) fn names(handle: &Handle) -> Result<Vec<Vec<u8>>> {
    let mut list = Vec::with_capacity(XATTR_MAX);
    fs::listxattr(handle.proc_path(), spare_capacity(&mut list))?;
    Ok(list.split(|&byte| byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
}

pub(super) fn set(handle: &Handle, name: &[u8], value: &[u8], how: XattrHow) -> Result<()> {
    let flags = match how {
        XattrHow::Set => XattrFlags::empty(),
        XattrHow::Create => XattrFlags::CREATE,
        XattrHow::Replace => XattrFlags::REPLACE,
    };
    fs::setxattr(handle.proc_path(), name, value, flags)
}

pub(super) fn remove(handle: &Handle, name: &[u8]) -> Result<()> {
    fs::removexattr(handle.proc_path(), name)
}
