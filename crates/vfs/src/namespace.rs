//! The namespace: which names lie in which mount.
//!
//! The machine's own tree is the ground. Over it lie the mounts that the user asked for, longest prefix first, and the
//! service roots (`/chirp`), below which any host is a mount that comes into being when it is named. Lookups are
//! textual: symbolic links are the resolver's work, which asks here for each path that it reaches.

use crate::mounts::{MountOptions, MountSpec, Symlinks, Target, Url};
use crate::{Driver, Errno, Error, Result, VPath};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

/// The kernel's own interfaces: they are never taken from a server, even when a server's tree is mounted at `/`.
const KERNEL_PREFIXES: [&[u8]; 3] = [b"/proc", b"/sys", b"/dev"];

/// Hosts that may be mounted by being named, in one run. A program that makes up host names must not fill our memory.
const SERVICE_HOSTS_MAX: usize = 4096;

/// Tells drivers apart: two mounts of one driver show the same device number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DriverId(pub u32);

/// One mount: the names at and below `prefix` are the driver's names at and below `base`.
pub struct Mount {
    /// Where it appears.
    pub prefix: VPath,
    /// Who serves it.
    pub driver: Arc<dyn Driver>,
    /// Which driver that is, among those of this namespace.
    pub driver_id: DriverId,
    /// The driver's path that `prefix` stands for. It may be a single file.
    pub base: VPath,
    /// What the user said of it.
    pub options: MountOptions,
    /// Whether it is the machine's own tree, whose links lead wherever they lead.
    pub native: bool,
}

impl Mount {
    /// Whether a link inside this mount may lead out of it.
    #[must_use]
    pub fn links_may_leave(&self) -> bool {
        self.native || self.options.symlinks == Symlinks::All
    }

    /// The name in the program's namespace of a driver path of this mount; `None` if it lies outside the mount.
    #[must_use]
    pub fn shown(&self, driver_path: &VPath) -> Option<VPath> {
        Some(self.prefix.join(&driver_path.below(&self.base)?))
    }
}

/// Where a path lies.
#[derive(Clone)]
pub enum Place {
    /// In the machine's own tree.
    Native,
    /// In a mount, at this path of its driver.
    Mounted(Arc<Mount>, VPath),
    /// A directory that only the namespace knows: a service root such as `/chirp`.
    ServiceRoot,
    /// In a mount that refuses: EACCES (`deny`), ENOENT (`hide`), or what its host's name is worth.
    Refused(Errno),
}

/// What a listing of a directory has to show or leave out because of mounts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MountPoint {
    /// The entry's name.
    pub name: Vec<u8>,
    /// Whether it is to be left out.
    pub hidden: bool,
}

/// Makes drivers for the namespace. Making one does no I/O: a driver connects when it is first asked.
pub trait Connector: Send + Sync {
    /// A driver for the place that a URL names, seen from the server's root.
    ///
    /// # Errors
    /// An unknown scheme, a bad port or host name.
    fn connect(&self, url: &Url, options: &MountOptions) -> Result<Arc<dyn Driver>>;

    /// A driver for the machine's own tree, from `/`.
    fn native(&self) -> Arc<dyn Driver>;
}

enum Layer {
    Mount(Arc<Mount>),
    Refused(VPath, Errno),
    Kernel(VPath),
}

impl Layer {
    fn prefix(&self) -> &VPath {
        match self {
            Layer::Mount(mount) => &mount.prefix,
            Layer::Refused(prefix, _) | Layer::Kernel(prefix) => prefix,
        }
    }
}

/// The mount table of one run.
pub struct Namespace {
    /// Longest prefix first.
    layers: Vec<Layer>,
    services: Vec<Service>,
    connector: Arc<dyn Connector>,
    native: Arc<Mount>,
    next_driver: std::sync::atomic::AtomicU32,
}

/// A host's mount, or what its name is worth.
type Host = std::result::Result<Arc<Mount>, Errno>;

struct Service {
    prefix: VPath,
    scheme: String,
    hosts: RwLock<HashMap<Vec<u8>, Host>>,
}

impl Namespace {
    /// Builds the table. Relative prefixes and targets are taken from `cwd`; `services` are the schemes that get a root
    /// directory of their name.
    ///
    /// # Errors
    /// A mount onto itself, mounts that name each other in a ring, two mounts on one prefix, a URL that `connector`
    /// refuses. The text says which mount.
    pub fn build(
        specs: &[MountSpec],
        cwd: &VPath,
        services: &[&str],
        connector: Arc<dyn Connector>,
    ) -> Result<Namespace> {
        let native = Arc::new(Mount {
            prefix: VPath::root(),
            driver: connector.native(),
            driver_id: DriverId(0),
            base: VPath::root(),
            options: MountOptions::default(),
            native: true,
        });
        let services = services
            .iter()
            .map(|scheme| Service {
                prefix: VPath::root().child(scheme.as_bytes()),
                scheme: (*scheme).to_owned(),
                hosts: RwLock::default(),
            })
            .collect();
        let mut namespace =
            Namespace { layers: Vec::new(), services, connector, native, next_driver: 1.into() };
        let mut waiting = namespace.positioned(specs, cwd)?;
        // A target may lie in another mount; such a mount is made after the one it names.
        while !waiting.is_empty() {
            let prefixes: Vec<VPath> = waiting.iter().map(|w| w.prefix.clone()).collect();
            let (ready, blocked): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|w| !w.names_one_of(&prefixes));
            if ready.is_empty() {
                let ring: Vec<String> = blocked.iter().map(|w| w.prefix.to_string()).collect();
                return Err(Error::new(
                    Errno::ELOOP,
                    format!("mounts {} name each other in a ring", ring.join(", ")),
                ));
            }
            for one in ready {
                namespace.add(one)?;
            }
            waiting = blocked;
        }
        if namespace.layers.iter().any(|layer| layer.prefix().is_root()) {
            for prefix in KERNEL_PREFIXES {
                if let Some(prefix) = VPath::normal(prefix) {
                    namespace.layers.push(Layer::Kernel(prefix));
                }
            }
        }
        namespace.layers.sort_by_key(|layer| std::cmp::Reverse(layer.prefix().as_bytes().len()));
        Ok(namespace)
    }

    fn positioned(&self, specs: &[MountSpec], cwd: &VPath) -> Result<Vec<Positioned>> {
        let mut seen = BTreeSet::new();
        let mut all = Vec::with_capacity(specs.len());
        for spec in specs {
            let one = Positioned::new(spec, cwd)?;
            if !seen.insert(one.prefix.clone()) {
                return Err(Error::new(Errno::EEXIST, format!("two mounts on {}", one.prefix)));
            }
            if self.services.iter().any(|service| service.prefix == one.prefix) {
                return Err(Error::new(Errno::EBUSY, format!("{} is a service's own directory", one.prefix)));
            }
            all.push(one);
        }
        Ok(all)
    }

    fn add(&mut self, one: Positioned) -> Result<()> {
        let (driver, driver_id, base, native) = match one.target {
            PositionedTarget::Refused(errno) => {
                self.layers.push(Layer::Refused(one.prefix, errno));
                return Ok(());
            }
            PositionedTarget::Url(url) => {
                let base = VPath::normal(&url.path).ok_or_else(|| {
                    Error::new(Errno::EINVAL, format!("mount {}: NUL in the URL", one.prefix))
                })?;
                let (driver, id) = self.service_driver(&url, &one.options)?;
                (driver, id, base, false)
            }
            PositionedTarget::Path(path) => match self.lookup_longest(&path) {
                Place::Native => (Arc::clone(&self.native.driver), DriverId(0), path, true),
                Place::Mounted(mount, base) => {
                    (Arc::clone(&mount.driver), mount.driver_id, base, mount.native)
                }
                Place::ServiceRoot | Place::Refused(_) => {
                    return Err(Error::new(
                        Errno::EINVAL,
                        format!("mount {}: {path} cannot be a target", one.prefix),
                    ));
                }
            },
        };
        let mount = Mount { prefix: one.prefix, driver, driver_id, base, options: one.options, native };
        self.layers.push(Layer::Mount(Arc::new(mount)));
        Ok(())
    }

    /// One driver a server: a URL and `/SCHEME/HOST` share it unless the mount has options of its own.
    fn service_driver(&self, url: &Url, options: &MountOptions) -> Result<(Arc<dyn Driver>, DriverId)> {
        if options.timeout.is_none()
            && let Some(service) = self.services.iter().find(|service| service.scheme == url.scheme)
        {
            return match self.host(service, url.authority.as_bytes()) {
                Ok(mount) => Ok((Arc::clone(&mount.driver), mount.driver_id)),
                // Asked again for the sake of the words: the table keeps only the number.
                Err(_) => self.connector.connect(url, options).map(|driver| (driver, self.new_id())),
            };
        }
        Ok((self.connector.connect(url, options)?, self.new_id()))
    }

    fn new_id(&self) -> DriverId {
        DriverId(self.next_driver.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }

    /// Where `path` lies. Makes a service's host known when it is first named.
    #[must_use]
    pub fn lookup(&self, path: &VPath) -> Place {
        for layer in &self.layers {
            if !layer.prefix().contains(path) {
                continue;
            }
            // A service root lies over a shorter mount (`/`), and under a longer one (`/chirp/host/dir`).
            if layer.prefix().is_root()
                && let Some(place) = self.lookup_service(path)
            {
                return place;
            }
            return layer_place(layer, path);
        }
        self.lookup_service(path).unwrap_or(Place::Native)
    }

    /// [`Namespace::lookup`] while the layers are not yet sorted.
    fn lookup_longest(&self, path: &VPath) -> Place {
        let longest = self
            .layers
            .iter()
            .filter(|layer| layer.prefix().contains(path))
            .max_by_key(|layer| layer.prefix().as_bytes().len());
        match longest {
            Some(layer) if !layer.prefix().is_root() => layer_place(layer, path),
            Some(layer) => self.lookup_service(path).unwrap_or_else(|| layer_place(layer, path)),
            None => self.lookup_service(path).unwrap_or(Place::Native),
        }
    }

    fn lookup_service(&self, path: &VPath) -> Option<Place> {
        let service = self.services.iter().find(|service| service.prefix.contains(path))?;
        let below = path.below(&service.prefix)?;
        let Some(host) = below.components().next() else { return Some(Place::ServiceRoot) };
        Some(match self.host(service, host) {
            Ok(mount) => match path.below(&mount.prefix) {
                Some(below) => Place::Mounted(mount, below),
                None => Place::Refused(Errno::ENOENT),
            },
            Err(errno) => Place::Refused(errno),
        })
    }

    fn host(&self, service: &Service, host: &[u8]) -> Host {
        if let Some(known) = service.hosts.read().unwrap_or_else(PoisonError::into_inner).get(host) {
            return known.clone();
        }
        let made = self.make_host(service, host);
        let mut hosts = service.hosts.write().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= SERVICE_HOSTS_MAX && !hosts.contains_key(host) {
            return made;
        }
        hosts.entry(host.to_vec()).or_insert(made).clone()
    }

    fn make_host(&self, service: &Service, host: &[u8]) -> Host {
        let authority = std::str::from_utf8(host).map_err(|_| Errno::ENOENT)?.to_owned();
        let url = Url { scheme: service.scheme.clone(), authority, path: b"/".to_vec() };
        let options = MountOptions::default();
        // A name that cannot be a host's does not exist: programs probe (`/chirp/.git`) and know what ENOENT means.
        let driver = self.connector.connect(&url, &options).map_err(|_| Errno::ENOENT)?;
        Ok(Arc::new(Mount {
            prefix: service.prefix.child(host),
            driver,
            driver_id: self.new_id(),
            base: VPath::root(),
            options,
            native: false,
        }))
    }

    /// Whether an absolute, normal path lies in a mount or a service: the quick question of the hot path.
    #[must_use]
    pub fn covers(&self, path: &[u8]) -> bool {
        let contains = |prefix: &VPath| {
            let prefix = prefix.as_bytes();
            prefix.len() == 1
                || (path.starts_with(prefix) && matches!(path.get(prefix.len()), None | Some(b'/')))
        };
        self.services.iter().any(|service| contains(&service.prefix))
            || self.layers.iter().any(|layer| contains(layer.prefix()))
    }

    /// The name by which the namespace shows a path of the machine's own tree that a mount has for its target: a program
    /// that goes there through the mount is to find itself at the mount's name.
    #[must_use]
    pub fn shown_as(&self, native: &VPath) -> Option<VPath> {
        // A target above its own prefix (`-m /x=/`) would give every name of the machine a second one.
        let serves = |mount: &&Arc<Mount>| mount.native && !mount.base.contains(&mount.prefix);
        let mounts = self.mounts().filter(serves).filter(|mount| mount.base.contains(native));
        let closest = mounts.max_by_key(|mount| mount.base.as_bytes().len())?;
        closest.shown(native)
    }

    /// Whether a mount or a service lies below `path` (not at it).
    #[must_use]
    pub fn lies_above_mounts(&self, path: &VPath) -> bool {
        self.prefixes().any(|prefix| prefix != path && path.contains(prefix))
    }

    /// The names directly in `dir` that listings must show, or leave out, because of mounts.
    #[must_use]
    pub fn mount_points(&self, dir: &VPath) -> Vec<MountPoint> {
        let mut points = BTreeSet::new();
        for layer in &self.layers {
            if let Some(name) = first_component(layer.prefix(), dir) {
                let here = layer.prefix().components().count() == dir.components().count() + 1;
                let hidden = here && matches!(layer, Layer::Refused(_, Errno::ENOENT));
                points.insert(MountPoint { name, hidden });
            }
        }
        for service in &self.services {
            if let Some(name) = first_component(&service.prefix, dir) {
                points.insert(MountPoint { name, hidden: false });
            } else if service.prefix == *dir {
                let hosts = service.hosts.read().unwrap_or_else(PoisonError::into_inner);
                for (name, _) in hosts.iter().filter(|(_, known)| known.is_ok()) {
                    points.insert(MountPoint { name: name.clone(), hidden: false });
                }
            }
        }
        points.into_iter().collect()
    }

    fn prefixes(&self) -> impl Iterator<Item = &VPath> {
        self.layers.iter().map(Layer::prefix).chain(self.services.iter().map(|service| &service.prefix))
    }

    /// The machine's own tree as a mount: for what the agent has to do there itself.
    #[must_use]
    pub fn native(&self) -> &Arc<Mount> {
        &self.native
    }

    /// The mounts that the user asked for, longest prefix first.
    pub fn mounts(&self) -> impl Iterator<Item = &Arc<Mount>> {
        self.layers.iter().filter_map(|layer| match layer {
            Layer::Mount(mount) => Some(mount),
            Layer::Refused(..) | Layer::Kernel(_) => None,
        })
    }
}

fn layer_place(layer: &Layer, path: &VPath) -> Place {
    match layer {
        Layer::Mount(mount) => match path.below(&mount.prefix) {
            Some(below) => Place::Mounted(Arc::clone(mount), mount.base.join(&below)),
            None => Place::Refused(Errno::ENOENT),
        },
        Layer::Refused(_, errno) => Place::Refused(*errno),
        Layer::Kernel(_) => Place::Native,
    }
}

/// The component of `path` directly below `dir`, if it lies there.
fn first_component(path: &VPath, dir: &VPath) -> Option<Vec<u8>> {
    path.below(dir)?.components().next().map(<[u8]>::to_vec)
}

/// A mount with its names made absolute.
struct Positioned {
    prefix: VPath,
    target: PositionedTarget,
    options: MountOptions,
}

enum PositionedTarget {
    Url(Url),
    Path(VPath),
    Refused(Errno),
}

impl Positioned {
    fn new(spec: &MountSpec, cwd: &VPath) -> Result<Positioned> {
        let prefix = absolute(&spec.prefix, cwd)?;
        let options = spec.options.clone();
        let target = if options.hide {
            PositionedTarget::Refused(Errno::ENOENT)
        } else if options.deny {
            PositionedTarget::Refused(Errno::EACCES)
        } else {
            match &spec.target {
                Target::Url(url) => PositionedTarget::Url(url.clone()),
                Target::Path(path) => PositionedTarget::Path(absolute(path, cwd)?),
                Target::None => {
                    return Err(Error::new(Errno::EINVAL, format!("mount {prefix} names no target")));
                }
            }
        };
        if let PositionedTarget::Path(path) = &target
            && *path == prefix
        {
            return Err(Error::new(Errno::ELOOP, format!("{prefix} is mounted onto itself")));
        }
        Ok(Positioned { prefix, target, options })
    }

    /// Whether the target lies in one of these other mounts. A target below the mount's own prefix is the native
    /// object that the mount covers.
    fn names_one_of(&self, prefixes: &[VPath]) -> bool {
        let PositionedTarget::Path(path) = &self.target else { return false };
        prefixes
            .iter()
            .filter(|prefix| prefix.contains(path))
            .max_by_key(|prefix| prefix.as_bytes().len())
            .is_some_and(|longest| *longest != self.prefix)
    }
}

fn absolute(bytes: &[u8], cwd: &VPath) -> Result<VPath> {
    let whole = if bytes.starts_with(b"/") { bytes.to_vec() } else { [cwd.as_bytes(), b"/", bytes].concat() };
    VPath::normal(&whole).ok_or_else(|| Error::new(Errno::EINVAL, "a mount's name holds a NUL byte"))
}
