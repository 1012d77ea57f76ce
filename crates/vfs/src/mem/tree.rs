//! The tree of the in-memory driver: plain data, with the checks of Linux in Linux's order.

use super::Clock;
use super::content::{Content, PAGE};
use crate::{
    Entry, Errno, FileId, FileKind, FsStat, NAME_MAX, NewTime, OpenHow, PATH_MAX, RenameHow, SetAttrs, Stat,
    Time, VPath, XattrHow,
};
use bytes::Bytes;
use std::collections::BTreeMap;

pub(super) type Result<T> = std::result::Result<T, Errno>;

/// The number of an object; shown as its inode number, never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(u64);

const ROOT: NodeId = NodeId(1);
/// Names of one object, as on ext4.
const LINK_MAX: u64 = 65_000;
/// The longest value of an extended attribute and its longest name, in bytes (`limits.h`).
const XATTR_SIZE_MAX: usize = 64 << 10;
const XATTR_NAME_MAX: usize = 255;
/// What [`Tree::statfs`] says can be held: 4 TiB in pages, and as many objects as ext4 would make room for.
const BLOCKS: u64 = 1 << 30;
const OBJECTS: u64 = 1 << 28;
/// The type of file system to show: ramfs, which it resembles most.
const MAGIC: u64 = 0x8584_58f6;

pub(super) struct Tree {
    nodes: BTreeMap<NodeId, Node>,
    next: u64,
    clock: Clock,
}

struct Node {
    body: Body,
    mode: u32,
    uid: u32,
    gid: u32,
    nlink: u64,
    rdev: u64,
    atime: Time,
    mtime: Time,
    ctime: Time,
    btime: Time,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    opens: u64,
}

enum Body {
    File(Content),
    Directory(Directory),
    Symlink(Vec<u8>),
    /// A FIFO, socket or device.
    Special(FileKind),
}

struct Directory {
    entries: BTreeMap<Vec<u8>, NodeId>,
    parent: NodeId,
}

/// A name in a directory that exists; the name itself may be free.
struct Slot<'a> {
    dir: NodeId,
    name: &'a [u8],
    node: Option<NodeId>,
}

impl Tree {
    pub(super) fn new(mut clock: Clock) -> Tree {
        let root = Directory { entries: BTreeMap::new(), parent: ROOT };
        let root = Node::new(Body::Directory(root), 0o755, clock());
        Tree { nodes: BTreeMap::from([(ROOT, root)]), next: ROOT.0 + 1, clock }
    }

    pub(super) fn lstat(&self, path: &VPath) -> Result<Stat> {
        self.stat_node(self.find(path)?)
    }

    pub(super) fn stat_node(&self, id: NodeId) -> Result<Stat> {
        Ok(self.node(id)?.stat(id))
    }

    pub(super) fn list(&self, path: &VPath) -> Result<Vec<Entry>> {
        let entries = &self.directory(self.find(path)?)?.entries;
        entries
            .iter()
            .map(|(name, &id)| Ok(Entry { name: name.clone(), stat: Some(self.stat_node(id)?) }))
            .collect()
    }

    pub(super) fn readlink(&self, path: &VPath) -> Result<Vec<u8>> {
        match &self.node(self.find(path)?)?.body {
            Body::Symlink(text) => Ok(text.clone()),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(super) fn open(&mut self, path: &VPath, how: OpenHow) -> Result<(NodeId, Stat)> {
        if !how.read && !how.write {
            return Err(Errno::EINVAL);
        }
        let id = match self.find(path) {
            Ok(_) if how.create && how.exclusive => return Err(Errno::EEXIST),
            Ok(id) => self.open_found(id, how)?,
            Err(Errno::ENOENT) if how.create => {
                self.make(path, Body::File(Content::default()), how.mode & 0o7777)?
            }
            Err(errno) => return Err(errno),
        };
        self.node_mut(id)?.opens += 1;
        Ok((id, self.stat_node(id)?))
    }

    fn open_found(&mut self, id: NodeId, how: OpenHow) -> Result<NodeId> {
        match self.node(id)?.kind() {
            FileKind::Regular => {}
            FileKind::Directory => return Err(Errno::EISDIR),
            FileKind::Symlink => return Err(Errno::ELOOP),
            _ => return Err(Errno::ENXIO),
        }
        if how.truncate {
            self.truncate(id, 0)?;
        }
        Ok(id)
    }

    /// Ends one open; an object without names goes with its last one.
    pub(super) fn close(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.opens -= 1;
        }
        self.drop_if_unused(id);
    }

    pub(super) fn access(&self, path: &VPath, bits: u32) -> Result<()> {
        const X_OK: u32 = libc::X_OK as u32;
        let node = self.node(self.find(path)?)?;
        match bits {
            0..=7 if bits & X_OK == 0 || node.kind() == FileKind::Directory || node.mode & 0o111 != 0 => {
                Ok(())
            }
            0..=7 => Err(Errno::EACCES),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(super) fn statfs(&self, path: &VPath) -> Result<FsStat> {
        self.find(path)?;
        let free = BLOCKS.saturating_sub(self.nodes.values().map(Node::pages).sum());
        Ok(FsStat {
            kind: MAGIC,
            bsize: PAGE as u64,
            blocks: BLOCKS,
            bfree: free,
            bavail: free,
            files: OBJECTS,
            ffree: OBJECTS.saturating_sub(self.nodes.len() as u64),
        })
    }

    pub(super) fn mkdir(&mut self, path: &VPath, mode: u32) -> Result<()> {
        let parent = self.free_slot(path)?.dir;
        let body = Body::Directory(Directory { entries: BTreeMap::new(), parent });
        self.make(path, body, mode & 0o1777)?;
        self.node_mut(parent)?.nlink += 1;
        Ok(())
    }

    pub(super) fn mknod(&mut self, path: &VPath, kind: FileKind, mode: u32, rdev: u64) -> Result<()> {
        let body = match kind {
            FileKind::Directory => return Err(Errno::EPERM),
            FileKind::Symlink => return Err(Errno::EINVAL),
            FileKind::Regular => Body::File(Content::default()),
            special => Body::Special(special),
        };
        let id = self.make(path, body, mode & 0o7777)?;
        if matches!(kind, FileKind::CharDevice | FileKind::BlockDevice) {
            self.node_mut(id)?.rdev = rdev;
        }
        Ok(())
    }

    pub(super) fn symlink(&mut self, text: &[u8], path: &VPath) -> Result<()> {
        match text {
            b"" => return Err(Errno::ENOENT),
            text if text.len() >= PATH_MAX => return Err(Errno::ENAMETOOLONG),
            text if text.contains(&0) => return Err(Errno::EINVAL),
            _ => {}
        }
        self.make(path, Body::Symlink(text.to_vec()), 0o777).map(drop)
    }

    pub(super) fn link(&mut self, old: &VPath, new: &VPath) -> Result<()> {
        let id = self.find(old)?;
        let slot = self.free_slot(new)?;
        let node = self.node(id)?;
        if node.kind() == FileKind::Directory {
            return Err(Errno::EPERM);
        }
        if node.nlink >= LINK_MAX {
            return Err(Errno::EMLINK);
        }
        let now = (self.clock)();
        let node = self.node_mut(id)?;
        node.nlink += 1;
        node.ctime = now;
        self.enter(slot.dir, slot.name, id, now)
    }

    pub(super) fn unlink(&mut self, path: &VPath) -> Result<()> {
        let slot = self.slot(path, Errno::EISDIR)?;
        let id = slot.node.ok_or(Errno::ENOENT)?;
        if self.node(id)?.kind() == FileKind::Directory {
            return Err(Errno::EISDIR);
        }
        self.remove(slot.dir, slot.name, id)
    }

    pub(super) fn rmdir(&mut self, path: &VPath) -> Result<()> {
        let slot = self.slot(path, Errno::EBUSY)?;
        let id = slot.node.ok_or(Errno::ENOENT)?;
        if !self.directory(id)?.entries.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.remove(slot.dir, slot.name, id)
    }

    pub(super) fn rename(&mut self, old: &VPath, new: &VPath, how: RenameHow) -> Result<()> {
        let from = self.slot(old, Errno::EBUSY)?;
        let to = self.slot(new, Errno::EBUSY)?;
        let moved = from.node.ok_or(Errno::ENOENT)?;
        match (how, to.node) {
            (RenameHow::NoReplace, Some(_)) => return Err(Errno::EEXIST),
            (RenameHow::Exchange, None) => return Err(Errno::ENOENT),
            _ => {}
        }
        if self.is_ancestor(moved, to.dir)? {
            return Err(Errno::EINVAL);
        }
        if let Some(target) = to.node {
            if self.is_ancestor(target, from.dir)? {
                return Err(if how == RenameHow::Exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
            }
            if target == moved {
                return Ok(());
            }
        }
        match (how, to.node) {
            (RenameHow::Exchange, Some(target)) => self.exchange(&from, moved, &to, target),
            (_, target) => self.replace(&from, moved, &to, target),
        }
    }

    fn replace(
        &mut self,
        from: &Slot<'_>,
        moved: NodeId,
        to: &Slot<'_>,
        target: Option<NodeId>,
    ) -> Result<()> {
        let is_dir = self.node(moved)?.kind() == FileKind::Directory;
        if let Some(target) = target {
            match (&self.node(target)?.body, is_dir) {
                (Body::Directory(_), false) => return Err(Errno::EISDIR),
                (Body::Directory(directory), true) if !directory.entries.is_empty() => {
                    return Err(Errno::ENOTEMPTY);
                }
                (Body::Directory(_), true) => {}
                (_, true) => return Err(Errno::ENOTDIR),
                (_, false) => {}
            }
            self.remove(to.dir, to.name, target)?;
        }
        let now = (self.clock)();
        self.leave(from.dir, from.name, now)?;
        self.enter(to.dir, to.name, moved, now)?;
        self.settle(moved, from.dir, to.dir, now)
    }

    fn exchange(&mut self, from: &Slot<'_>, moved: NodeId, to: &Slot<'_>, target: NodeId) -> Result<()> {
        let now = (self.clock)();
        self.enter(to.dir, to.name, moved, now)?;
        self.enter(from.dir, from.name, target, now)?;
        self.settle(moved, from.dir, to.dir, now)?;
        self.settle(target, to.dir, from.dir, now)
    }

    /// What a move changes in the moved object, and, if that is a directory, in the link counts of the two around it.
    fn settle(&mut self, id: NodeId, from: NodeId, to: NodeId, now: Time) -> Result<()> {
        let node = self.node_mut(id)?;
        node.ctime = now;
        if let Body::Directory(directory) = &mut node.body {
            directory.parent = to;
            self.node_mut(from)?.nlink -= 1;
            self.node_mut(to)?.nlink += 1;
        }
        Ok(())
    }

    pub(super) fn read(&self, id: NodeId, offset: u64, len: usize) -> Result<Bytes> {
        match &self.node(id)?.body {
            Body::File(content) => content.read(offset, len).map(Bytes::from),
            _ => Err(Errno::EBADF),
        }
    }

    pub(super) fn write(&mut self, id: NodeId, offset: u64, data: &[u8]) -> Result<()> {
        self.change_content(id, |content| content.write(offset, data), !data.is_empty())
    }

    pub(super) fn truncate(&mut self, id: NodeId, size: u64) -> Result<()> {
        self.change_content(id, |content| content.truncate(size), true)
    }

    fn change_content(
        &mut self,
        id: NodeId,
        change: impl FnOnce(&mut Content) -> Result<()>,
        touches: bool,
    ) -> Result<()> {
        let now = (self.clock)();
        let node = self.node_mut(id)?;
        match &mut node.body {
            Body::File(content) => change(content)?,
            Body::Directory(_) => return Err(Errno::EISDIR),
            Body::Symlink(_) => return Err(Errno::ELOOP),
            Body::Special(_) => return Err(Errno::EINVAL),
        }
        if touches {
            node.mtime = now;
            node.ctime = now;
        }
        Ok(())
    }

    pub(super) fn set_attrs(&mut self, path: &VPath, attrs: &SetAttrs) -> Result<()> {
        self.set_node_attrs(self.find(path)?, attrs)
    }

    pub(super) fn set_node_attrs(&mut self, id: NodeId, attrs: &SetAttrs) -> Result<()> {
        check_attrs(self.node(id)?.kind(), attrs)?;
        if let Some(size) = attrs.size {
            self.truncate(id, size)?;
        }
        let now = (self.clock)();
        let node = self.node_mut(id)?;
        node.set_owner(attrs.uid, attrs.gid);
        node.mode = attrs.mode.map_or(node.mode, |mode| mode & 0o7777);
        node.atime = attrs.atime.map_or(node.atime, |time| moment(time, now));
        node.mtime = attrs.mtime.map_or(node.mtime, |time| moment(time, now));
        if !attrs.is_empty() {
            node.ctime = now;
        }
        Ok(())
    }

    pub(super) fn getxattr(&self, path: &VPath, name: &[u8]) -> Result<Vec<u8>> {
        let node = self.node(self.find(path)?)?;
        node.check_xattr(name, Errno::ENODATA)?;
        node.xattrs.get(name).cloned().ok_or(Errno::ENODATA)
    }

    pub(super) fn listxattr(&self, path: &VPath) -> Result<Vec<Vec<u8>>> {
        Ok(self.node(self.find(path)?)?.xattrs.keys().cloned().collect())
    }

    pub(super) fn setxattr(&mut self, path: &VPath, name: &[u8], value: &[u8], how: XattrHow) -> Result<()> {
        let id = self.find(path)?;
        if value.len() > XATTR_SIZE_MAX {
            return Err(Errno::E2BIG);
        }
        let now = (self.clock)();
        let node = self.node_mut(id)?;
        node.check_xattr(name, Errno::EPERM)?;
        match (how, node.xattrs.contains_key(name)) {
            (XattrHow::Create, true) => return Err(Errno::EEXIST),
            (XattrHow::Replace, false) => return Err(Errno::ENODATA),
            _ => {}
        }
        node.xattrs.insert(name.to_vec(), value.to_vec());
        node.ctime = now;
        Ok(())
    }

    pub(super) fn removexattr(&mut self, path: &VPath, name: &[u8]) -> Result<()> {
        let id = self.find(path)?;
        let now = (self.clock)();
        let node = self.node_mut(id)?;
        node.check_xattr(name, Errno::EPERM)?;
        node.xattrs.remove(name).ok_or(Errno::ENODATA)?;
        node.ctime = now;
        Ok(())
    }

    fn node(&self, id: NodeId) -> Result<&Node> {
        self.nodes.get(&id).ok_or(Errno::ESTALE)
    }

    fn node_mut(&mut self, id: NodeId) -> Result<&mut Node> {
        self.nodes.get_mut(&id).ok_or(Errno::ESTALE)
    }

    fn directory(&self, id: NodeId) -> Result<&Directory> {
        match &self.node(id)?.body {
            Body::Directory(directory) => Ok(directory),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// The object that a path names.
    fn find(&self, path: &VPath) -> Result<NodeId> {
        if path.is_root() { Ok(ROOT) } else { self.slot(path, Errno::ENOENT)?.node.ok_or(Errno::ENOENT) }
    }

    /// The directory entry that a path names, taken or free; the root has none: `at_root`.
    fn slot<'a>(&self, path: &'a VPath, at_root: Errno) -> Result<Slot<'a>> {
        let mut components = path.components();
        let name = components.next_back().ok_or(at_root)?;
        let mut dir = ROOT;
        for component in components {
            dir = self.entry(dir, component)?.ok_or(Errno::ENOENT)?;
            match self.node(dir)?.kind() {
                FileKind::Directory => {}
                FileKind::Symlink => return Err(Errno::ELOOP),
                _ => return Err(Errno::ENOTDIR),
            }
        }
        Ok(Slot { dir, name, node: self.entry(dir, name)? })
    }

    fn entry(&self, dir: NodeId, name: &[u8]) -> Result<Option<NodeId>> {
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        Ok(self.directory(dir)?.entries.get(name).copied())
    }

    fn free_slot<'a>(&self, path: &'a VPath) -> Result<Slot<'a>> {
        let slot = self.slot(path, Errno::EEXIST)?;
        if slot.node.is_some() { Err(Errno::EEXIST) } else { Ok(slot) }
    }

    /// Makes an object under a free name, with the group of a set-group-id directory as Linux gives it.
    fn make(&mut self, path: &VPath, body: Body, mode: u32) -> Result<NodeId> {
        let slot = self.free_slot(path)?;
        let now = (self.clock)();
        let mut node = Node::new(body, mode, now);
        let parent = self.node(slot.dir)?;
        if parent.mode & libc::S_ISGID != 0 {
            node.gid = parent.gid;
            if node.kind() == FileKind::Directory {
                node.mode |= libc::S_ISGID;
            }
        }
        let id = NodeId(self.next);
        self.next += 1;
        self.nodes.insert(id, node);
        self.enter(slot.dir, slot.name, id, now)?;
        Ok(id)
    }

    fn enter(&mut self, dir: NodeId, name: &[u8], id: NodeId, now: Time) -> Result<()> {
        self.change_entries(dir, now, |entries| entries.insert(name.to_vec(), id))
    }

    fn leave(&mut self, dir: NodeId, name: &[u8], now: Time) -> Result<()> {
        self.change_entries(dir, now, |entries| entries.remove(name))
    }

    fn change_entries<T>(
        &mut self,
        dir: NodeId,
        now: Time,
        change: impl FnOnce(&mut BTreeMap<Vec<u8>, NodeId>) -> T,
    ) -> Result<()> {
        let node = self.node_mut(dir)?;
        node.mtime = now;
        node.ctime = now;
        match &mut node.body {
            Body::Directory(directory) => {
                change(&mut directory.entries);
                Ok(())
            }
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// Takes one name of an object away.
    fn remove(&mut self, dir: NodeId, name: &[u8], id: NodeId) -> Result<()> {
        let now = (self.clock)();
        self.leave(dir, name, now)?;
        let node = self.node_mut(id)?;
        node.ctime = now;
        if node.kind() == FileKind::Directory {
            node.nlink = 0;
            self.node_mut(dir)?.nlink -= 1;
        } else {
            node.nlink -= 1;
        }
        self.drop_if_unused(id);
        Ok(())
    }

    fn drop_if_unused(&mut self, id: NodeId) {
        if self.nodes.get(&id).is_some_and(|node| node.nlink == 0 && node.opens == 0) {
            self.nodes.remove(&id);
        }
    }

    /// Whether `id` is the directory `below` or one of those that hold it.
    fn is_ancestor(&self, id: NodeId, mut below: NodeId) -> Result<bool> {
        while below != id {
            if below == ROOT {
                return Ok(false);
            }
            below = self.directory(below)?.parent;
        }
        Ok(true)
    }
}

impl Node {
    fn new(body: Body, mode: u32, now: Time) -> Node {
        let nlink = if matches!(body, Body::Directory(_)) { 2 } else { 1 };
        Node {
            body,
            mode,
            uid: 0,
            gid: 0,
            nlink,
            rdev: 0,
            atime: now,
            mtime: now,
            ctime: now,
            btime: now,
            xattrs: BTreeMap::new(),
            opens: 0,
        }
    }

    fn kind(&self) -> FileKind {
        match self.body {
            Body::File(_) => FileKind::Regular,
            Body::Directory(_) => FileKind::Directory,
            Body::Symlink(_) => FileKind::Symlink,
            Body::Special(kind) => kind,
        }
    }

    fn size(&self) -> u64 {
        match &self.body {
            Body::File(content) => content.size(),
            Body::Symlink(text) => text.len() as u64,
            Body::Directory(_) => PAGE as u64,
            Body::Special(_) => 0,
        }
    }

    fn pages(&self) -> u64 {
        match &self.body {
            Body::File(content) => content.page_count(),
            _ => 0,
        }
    }

    fn stat(&self, id: NodeId) -> Stat {
        Stat {
            kind: self.kind(),
            mode: self.mode,
            id: FileId(id.0),
            nlink: self.nlink,
            uid: self.uid,
            gid: self.gid,
            rdev: self.rdev,
            size: self.size(),
            blksize: PAGE as u32,
            blocks: self.pages() * (PAGE as u64 / 512),
            atime: self.atime,
            mtime: self.mtime,
            ctime: self.ctime,
            btime: Some(self.btime),
            local_dev: None,
        }
    }

    /// Changes owner and group. As chown(2) does even for root, that takes set-id bits of anything but a directory away.
    fn set_owner(&mut self, uid: Option<u32>, gid: Option<u32>) {
        if uid.is_none() && gid.is_none() {
            return;
        }
        self.uid = uid.unwrap_or(self.uid);
        self.gid = gid.unwrap_or(self.gid);
        if self.kind() != FileKind::Directory {
            let group_id = if self.mode & libc::S_IXGRP != 0 { libc::S_ISGID } else { 0 };
            self.mode &= !(libc::S_ISUID | group_id);
        }
    }

    /// Checks that an attribute of this name can stand here; `foreign` if `user.` ones cannot.
    fn check_xattr(&self, name: &[u8], foreign: Errno) -> Result<()> {
        if name.is_empty() || name.len() > XATTR_NAME_MAX {
            return Err(Errno::ERANGE);
        }
        let (space, rest) = match name.iter().position(|&byte| byte == b'.') {
            Some(dot) => name.split_at(dot + 1),
            None => return Err(Errno::EOPNOTSUPP),
        };
        let user_can = matches!(self.body, Body::File(_) | Body::Directory(_));
        match (space, rest) {
            _ if name.contains(&0) => Err(Errno::EINVAL),
            (b"user.", _) if !user_can => Err(foreign),
            (b"user." | b"trusted." | b"security.", b"") => Err(Errno::EINVAL),
            (b"user." | b"trusted." | b"security.", _) => Ok(()),
            _ => Err(Errno::EOPNOTSUPP),
        }
    }
}

/// All that can be wrong with a change of attributes, so that it is made whole or not at all.
fn check_attrs(kind: FileKind, attrs: &SetAttrs) -> Result<()> {
    match (kind, attrs.size) {
        (_, None) => {}
        (FileKind::Regular, Some(size)) if i64::try_from(size).is_ok() => {}
        (FileKind::Directory, _) => return Err(Errno::EISDIR),
        (FileKind::Symlink, _) => return Err(Errno::ELOOP),
        _ => return Err(Errno::EINVAL),
    }
    let odd = |time| matches!(time, Some(NewTime::At(Time { nsec: 1_000_000_000.., .. })));
    if attrs.uid == Some(u32::MAX) || attrs.gid == Some(u32::MAX) || odd(attrs.atime) || odd(attrs.mtime) {
        return Err(Errno::EINVAL);
    }
    if kind == FileKind::Symlink && attrs.mode.is_some() {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(())
}

fn moment(time: NewTime, now: Time) -> Time {
    match time {
        NewTime::Now => now,
        NewTime::At(time) => time,
    }
}
