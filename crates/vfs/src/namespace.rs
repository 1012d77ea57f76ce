//! The namespace: which names lie in which mount.
//!
//! The machine's own tree is the ground. Over it lie the mounts that the user asked for, longest prefix first, and the
//! service roots (`/chirp`), below which any host is a mount that comes into being when it is named. Lookups are
//! textual: symbolic links are the resolver's work, which asks here for each path that it reaches.
//!
//! A namespace can lie within another. Its ground is then the other's names, and the paths that its mounts have for targets
//! are the other's too: what the other denies, hides or keeps from being written stays so under every name.

use crate::mounts::{MountOptions, MountSpec, Symlinks, Target, Url};
use crate::{Driver, Errno, Error, Result, VPath};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// The kernel's own interfaces: they are never taken from a server, even when a server's tree is mounted at `/`.
const KERNEL_PREFIXES: [&[u8]; 3] = [b"/proc", b"/sys", b"/dev"];

/// Hosts that may be mounted by being named, in one run. A program that makes up host names must not fill our memory.
const SERVICE_HOSTS_MAX: usize = 4096;

/// Tells drivers apart: two mounts of one driver show the same device number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DriverId(pub u32);

/// Tells the namespaces of one machine apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NamespaceId(pub u32);

/// One mount: the names at and below `prefix` are the driver's names at and below `base`.
pub struct Mount {
    /// The namespace in which it is a mount.
    pub namespace: NamespaceId,
    /// Where it appears.
    pub prefix: VPath,
    /// Who serves it.
    pub driver: Arc<dyn Driver>,
    /// Which driver that is, among those of this namespace and all that lie within one another with it.
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

    /// A driver for the names below `prefix` that a program of the user's knows: a directory of symbolic links.
    ///
    /// # Errors
    /// A program that cannot be run.
    fn resolver(&self, prefix: &VPath, program: &VPath, options: &MountOptions) -> Result<Arc<dyn Driver>>;

    /// A driver for the machine's own tree, from `/`.
    fn native(&self) -> Arc<dyn Driver>;
}

enum Layer {
    Mount(Arc<Mount>),
    View(View),
    Refused(VPath, Errno),
    Kernel(VPath),
}

impl Layer {
    fn prefix(&self) -> &VPath {
        match self {
            Layer::Mount(mount) => &mount.prefix,
            Layer::View(view) => &view.prefix,
            Layer::Refused(prefix, _) | Layer::Kernel(prefix) => prefix,
        }
    }
}

/// The mount table of one run.
pub struct Namespace {
    id: NamespaceId,
    /// Longest prefix first.
    layers: Vec<Layer>,
    ground: Ground,
    native: Arc<Mount>,
}

/// What lies under all mounts.
enum Ground {
    /// The machine's own tree, and over it the service roots.
    Machine(Machine),
    /// The names of another namespace.
    Within {
        outer: Arc<Namespace>,
        names: View,
        /// How long a call may wait for a server, where no mount says.
        timeout: Duration,
    },
}

struct Machine {
    services: Vec<Service>,
    connector: Arc<dyn Connector>,
    next_driver: AtomicU32,
    next_namespace: AtomicU32,
}

/// Names of the namespace around this one: `prefix` stands for what is `target` there.
struct View {
    prefix: VPath,
    target: VPath,
    /// What the user said of it; `None` for the ground, which shows all just as it is.
    options: Option<MountOptions>,
    /// What each of the other's mounts is here, by its address: they live as long as this.
    shown: RwLock<HashMap<usize, Shown>>,
}

struct Shown {
    here: Arc<Mount>,
    /// Keeps the address from being another mount's.
    _there: Arc<Mount>,
}

impl View {
    fn new(prefix: VPath, target: VPath, options: Option<MountOptions>) -> View {
        View { prefix, target, options, shown: RwLock::default() }
    }

    /// The name in the namespace around.
    fn outer_name(&self, path: &VPath) -> Option<VPath> {
        Some(self.target.join(&path.below(&self.prefix)?))
    }

    /// The name here of one of the namespace around.
    fn inner_name(&self, outer: &VPath) -> Option<VPath> {
        Some(self.prefix.join(&outer.below(&self.target)?))
    }
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
        let id = NamespaceId(0);
        let native = native_mount(id, connector.native());
        let services = services
            .iter()
            .map(|scheme| Service {
                prefix: VPath::root().child(scheme.as_bytes()),
                scheme: (*scheme).to_owned(),
                hosts: RwLock::default(),
            })
            .collect();
        let machine = Machine { services, connector, next_driver: 1.into(), next_namespace: 1.into() };
        let namespace = Namespace { id, layers: Vec::new(), ground: Ground::Machine(machine), native };
        namespace.with_mounts(specs, cwd)
    }

    /// Builds a table whose ground is `outer`. Targets that are paths are names of `outer`, but for those in another of
    /// these mounts; a mount may have its own prefix for its target, to show the same with other options. `timeout` is how
    /// long a call may wait for a server, where no mount says; it can only shorten what `outer` allows.
    ///
    /// # Errors
    /// Those of [`Namespace::build`].
    pub fn within(
        outer: &Arc<Namespace>,
        specs: &[MountSpec],
        cwd: &VPath,
        timeout: Duration,
    ) -> Result<Namespace> {
        let id = NamespaceId(outer.machine().next_namespace.fetch_add(1, Ordering::Relaxed));
        let native = native_mount(id, Arc::clone(&outer.native.driver));
        let names = View::new(VPath::root(), VPath::root(), None);
        let ground = Ground::Within { outer: Arc::clone(outer), names, timeout };
        Namespace { id, layers: Vec::new(), ground, native }.with_mounts(specs, cwd)
    }

    /// Which of the machine's namespaces this is: 0 is the one that lies within no other.
    #[must_use]
    pub fn id(&self) -> NamespaceId {
        self.id
    }

    /// How many namespaces lie around this one.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.outer().map_or(0, |outer| outer.depth() + 1)
    }

    fn outer(&self) -> Option<&Arc<Namespace>> {
        match &self.ground {
            Ground::Machine(_) => None,
            Ground::Within { outer, .. } => Some(outer),
        }
    }

    fn machine(&self) -> &Machine {
        match &self.ground {
            Ground::Machine(machine) => machine,
            Ground::Within { outer, .. } => outer.machine(),
        }
    }

    fn with_mounts(mut self, specs: &[MountSpec], cwd: &VPath) -> Result<Namespace> {
        let mut waiting = self.positioned(specs, cwd)?;
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
                let layer = self.layer(one)?;
                self.layers.push(layer);
            }
            waiting = blocked;
        }
        if self.layers.iter().any(|layer| layer.prefix().is_root()) {
            for prefix in KERNEL_PREFIXES {
                if let Some(prefix) = VPath::normal(prefix) {
                    self.layers.push(Layer::Kernel(prefix));
                }
            }
        }
        self.layers.sort_by_key(|layer| std::cmp::Reverse(layer.prefix().as_bytes().len()));
        Ok(self)
    }

    fn positioned(&self, specs: &[MountSpec], cwd: &VPath) -> Result<Vec<Positioned>> {
        let mut seen = BTreeSet::new();
        let mut all = Vec::with_capacity(specs.len());
        for spec in specs {
            let one = Positioned::new(spec, cwd)?;
            if self.outer().is_none() && one.is_onto_itself() {
                return Err(Error::new(Errno::ELOOP, format!("{} is mounted onto itself", one.prefix)));
            }
            if !seen.insert(one.prefix.clone()) {
                return Err(Error::new(Errno::EEXIST, format!("two mounts on {}", one.prefix)));
            }
            if self.machine().services.iter().any(|service| service.prefix == one.prefix) {
                return Err(Error::new(Errno::EBUSY, format!("{} is a service's own directory", one.prefix)));
            }
            all.push(one);
        }
        Ok(all)
    }

    fn layer(&self, one: Positioned) -> Result<Layer> {
        let (driver, driver_id, base, native) = match one.target {
            PositionedTarget::Refused(errno) => return Ok(Layer::Refused(one.prefix, errno)),
            PositionedTarget::Url(url) => {
                let base = VPath::normal(&url.path).ok_or_else(|| {
                    Error::new(Errno::EINVAL, format!("mount {}: NUL in the URL", one.prefix))
                })?;
                let (driver, id) = self.machine().service_driver(&url, &one.options)?;
                (driver, id, base, false)
            }
            PositionedTarget::Resolver(program) => return self.resolver(one.prefix, &program, &one.options),
            PositionedTarget::Path(path) => {
                if let Some(target) = self.name_around(&one.prefix, &path) {
                    return Ok(Layer::View(View::new(one.prefix, target, Some(one.options))));
                }
                match self.lookup_longest(&path) {
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
                }
            }
        };
        let options = self.timed(one.options);
        let mount =
            Mount { namespace: self.id, prefix: one.prefix, driver, driver_id, base, options, native };
        Ok(Layer::Mount(Arc::new(mount)))
    }

    /// Its links lead wherever its program says, and what they lead to has the options of its own mount.
    fn resolver(&self, prefix: VPath, program: &VPath, options: &MountOptions) -> Result<Layer> {
        if self.outer().is_some() {
            let what =
                format!("mount {prefix}: only the outermost run can have a resolver, which runs outside it");
            return Err(Error::new(Errno::EPERM, what));
        }
        let driver = self.machine().connector.resolver(&prefix, program, options)?;
        let options = MountOptions {
            read_only: true,
            symlinks: Symlinks::All,
            timeout: options.timeout,
            ..MountOptions::default()
        };
        let driver_id = self.machine().new_id();
        let base = VPath::root();
        let mount = Mount { namespace: self.id, prefix, driver, driver_id, base, options, native: false };
        Ok(Layer::Mount(Arc::new(mount)))
    }

    /// The name in the namespace around of a target, if it is one of that: what lies in another of our own mounts is not.
    fn name_around(&self, prefix: &VPath, target: &VPath) -> Option<VPath> {
        self.outer()?;
        match self.longest(target).filter(|_| !prefix.contains(target)) {
            Some(Layer::View(view)) => view.outer_name(target),
            Some(Layer::Mount(_) | Layer::Refused(..)) => None,
            Some(Layer::Kernel(_)) | None => Some(target.clone()),
        }
    }

    /// Options with the time that a call may take here at most.
    fn timed(&self, mut options: MountOptions) -> MountOptions {
        if let Ground::Within { timeout, .. } = &self.ground {
            options.timeout = Some(options.timeout.unwrap_or(*timeout));
        }
        options
    }

    /// Where `path` lies. Makes a service's host known when it is first named.
    #[must_use]
    pub fn lookup(&self, path: &VPath) -> Place {
        match self.layer_at(path) {
            Some(layer) => self.layer_place(layer, path),
            None => self.ground_place(path),
        }
    }

    /// The layer that a path lies in; `None` for the ground.
    fn layer_at(&self, path: &VPath) -> Option<&Layer> {
        let layer = self.layers.iter().find(|layer| layer.prefix().contains(path))?;
        // A service root lies over a shorter mount (`/`), and under a longer one (`/chirp/host/dir`).
        (!layer.prefix().is_root() || !self.machine().serves(path)).then_some(layer)
    }

    fn longest(&self, path: &VPath) -> Option<&Layer> {
        self.layers
            .iter()
            .filter(|layer| layer.prefix().contains(path))
            .max_by_key(|layer| layer.prefix().as_bytes().len())
    }

    /// [`Namespace::lookup`] while the layers are not yet sorted.
    fn lookup_longest(&self, path: &VPath) -> Place {
        match self.longest(path) {
            Some(layer) if !layer.prefix().is_root() || !self.machine().serves(path) => {
                self.layer_place(layer, path)
            }
            _ => self.ground_place(path),
        }
    }

    fn layer_place(&self, layer: &Layer, path: &VPath) -> Place {
        match layer {
            Layer::Mount(mount) => match path.below(&mount.prefix) {
                Some(below) => Place::Mounted(Arc::clone(mount), mount.base.join(&below)),
                None => Place::Refused(Errno::ENOENT),
            },
            Layer::View(view) => self.view_place(view, path),
            Layer::Refused(_, errno) => Place::Refused(*errno),
            Layer::Kernel(_) => self.ground_place(path),
        }
    }

    fn ground_place(&self, path: &VPath) -> Place {
        match &self.ground {
            Ground::Machine(machine) => machine.lookup(path).unwrap_or(Place::Native),
            Ground::Within { names, .. } => self.view_place(names, path),
        }
    }

    fn view_place(&self, view: &View, path: &VPath) -> Place {
        let (Some(outer), Some(there)) = (self.outer(), view.outer_name(path)) else {
            return Place::Refused(Errno::ENOENT);
        };
        match outer.lookup(&there) {
            Place::Native if view.options.is_none() => Place::Native,
            Place::Native => Place::Mounted(self.shown_here(view, &outer.native), there),
            Place::Mounted(mount, at) => Place::Mounted(self.shown_here(view, &mount), at),
            place @ (Place::ServiceRoot | Place::Refused(_)) => place,
        }
    }

    /// What a mount of the namespace around is in this one.
    fn shown_here(&self, view: &View, mount: &Arc<Mount>) -> Arc<Mount> {
        let address = Arc::as_ptr(mount) as usize;
        if let Some(known) = view.shown.read().unwrap_or_else(PoisonError::into_inner).get(&address) {
            return Arc::clone(&known.here);
        }
        let made = Shown { here: Arc::new(self.dressed(view, mount)), _there: Arc::clone(mount) };
        let mut shown = view.shown.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&shown.entry(address).or_insert(made).here)
    }

    fn dressed(&self, view: &View, mount: &Mount) -> Mount {
        let (prefix, base) = match view.target.below(&mount.prefix) {
            Some(below) => (view.prefix.clone(), mount.base.join(&below)),
            None => {
                (view.inner_name(&mount.prefix).unwrap_or_else(|| view.prefix.clone()), mount.base.clone())
            }
        };
        let asked = view.options.as_ref().and_then(|options| options.timeout);
        let mut options = view.options.as_ref().map_or_else(
            || mount.options.clone(),
            |options| options.narrowed_by(&mount.options, mount.native),
        );
        if let Ground::Within { timeout, .. } = &self.ground {
            let around = mount.options.timeout.unwrap_or(*timeout);
            options.timeout = Some(asked.unwrap_or(*timeout).min(around));
        }
        Mount {
            namespace: self.id,
            prefix,
            driver: Arc::clone(&mount.driver),
            driver_id: mount.driver_id,
            base,
            options,
            native: mount.native,
        }
    }

    /// The name in the namespace around that a path stands for; `None` where it stands for something of our own.
    fn outer_name(&self, path: &VPath) -> Option<(&Namespace, VPath)> {
        let outer = self.outer()?;
        let there = match self.layer_at(path) {
            Some(Layer::View(view)) => view.outer_name(path)?,
            Some(Layer::Mount(_) | Layer::Refused(..)) => return None,
            Some(Layer::Kernel(_)) | None => path.clone(),
        };
        Some((outer, there))
    }

    /// The mount by which a driver's path can be named here, if there is one. A name that it has in another namespace is
    /// preferred.
    #[must_use]
    pub fn mount_of(&self, driver: DriverId, path: &VPath, name: Option<&VPath>) -> Option<Arc<Mount>> {
        let reaches = |name: &VPath| match self.lookup(name) {
            Place::Mounted(mount, at) if mount.driver_id == driver && at == *path => Some(mount),
            _ => None,
        };
        if let Some(mount) = name.and_then(reaches) {
            return Some(mount);
        }
        let own = self.mounts().filter(|mount| mount.driver_id == driver);
        if let Some(mount) = own.filter_map(|mount| mount.shown(path)).find_map(|name| reaches(&name)) {
            return Some(mount);
        }
        let there = self.outer()?.mount_of(driver, path, name)?.shown(path)?;
        let views = self.views().filter_map(|view| view.inner_name(&there));
        views.chain([there.clone()]).find_map(|name| reaches(&name))
    }

    fn views(&self) -> impl Iterator<Item = &View> {
        self.layers.iter().filter_map(|layer| match layer {
            Layer::View(view) => Some(view),
            _ => None,
        })
    }

    /// Whether an absolute, normal path lies in a mount or a service: the quick question of the hot path.
    #[must_use]
    pub fn covers(&self, path: &[u8]) -> bool {
        let contains = |prefix: &VPath| {
            let prefix = prefix.as_bytes();
            prefix.len() == 1
                || (path.starts_with(prefix) && matches!(path.get(prefix.len()), None | Some(b'/')))
        };
        self.layers.iter().any(|layer| contains(layer.prefix()))
            || match &self.ground {
                Ground::Machine(machine) => machine.services.iter().any(|service| contains(&service.prefix)),
                Ground::Within { outer, .. } => outer.covers(path),
            }
    }

    /// The name by which the namespace shows a path of the machine's own tree that a mount has for its target: a program
    /// that goes there through the mount is to find itself at the mount's name.
    #[must_use]
    pub fn shown_as(&self, native: &VPath) -> Option<VPath> {
        let around = self.outer().and_then(|outer| outer.shown_as(native));
        let name = around.as_ref().unwrap_or(native);
        let views = self.views().filter(|view| !view.target.contains(&view.prefix));
        let closest =
            views.filter(|view| view.target.contains(name)).max_by_key(|view| view.target.as_bytes().len());
        if let Some(view) = closest {
            return view.inner_name(name);
        }
        // A target above its own prefix (`-m /x=/`) would give every name of the machine a second one.
        let serves = |mount: &&Arc<Mount>| mount.native && !mount.base.contains(&mount.prefix);
        let mounts = self.mounts().filter(serves).filter(|mount| mount.base.contains(native));
        match mounts.max_by_key(|mount| mount.base.as_bytes().len()) {
            Some(closest) => closest.shown(native),
            None => around,
        }
    }

    /// Whether directories of the machine's own appear under other names.
    #[must_use]
    pub fn renames_native(&self) -> bool {
        self.mounts().any(|mount| mount.native)
            || self.views().next().is_some()
            || self.outer().is_some_and(|outer| outer.renames_native())
    }

    /// Whether a mount or a service lies below `path` (not at it).
    #[must_use]
    pub fn lies_above_mounts(&self, path: &VPath) -> bool {
        self.prefixes().any(|prefix| prefix != path && path.contains(prefix))
            || self.outer_name(path).is_some_and(|(outer, there)| outer.lies_above_mounts(&there))
    }

    /// The names directly in `dir` that listings must show, or leave out, because of mounts.
    #[must_use]
    pub fn mount_points(&self, dir: &VPath) -> Vec<MountPoint> {
        // What is said here of a name is stronger than what is said around.
        let mut points: BTreeMap<Vec<u8>, bool> = self
            .outer_name(dir)
            .map_or_else(Vec::new, |(outer, there)| outer.mount_points(&there))
            .into_iter()
            .map(|point| (point.name, point.hidden))
            .collect();
        for layer in &self.layers {
            if let Some(name) = first_component(layer.prefix(), dir) {
                let here = layer.prefix().components().count() == dir.components().count() + 1;
                let hidden = here && matches!(layer, Layer::Refused(_, Errno::ENOENT));
                points.insert(name, hidden);
            }
        }
        for name in self.service_names(dir) {
            points.insert(name, false);
        }
        points.into_iter().map(|(name, hidden)| MountPoint { name, hidden }).collect()
    }

    /// The names directly in `dir` that services give it.
    fn service_names(&self, dir: &VPath) -> Vec<Vec<u8>> {
        let Ground::Machine(machine) = &self.ground else { return Vec::new() };
        let mut names = Vec::new();
        for service in &machine.services {
            names.extend(first_component(&service.prefix, dir));
            if service.prefix == *dir {
                let hosts = service.hosts.read().unwrap_or_else(PoisonError::into_inner);
                names.extend(hosts.iter().filter(|(_, known)| known.is_ok()).map(|(name, _)| name.clone()));
            }
        }
        names
    }

    /// Where this namespace itself has something to say: its mounts, what it refuses, the services.
    pub fn prefixes(&self) -> impl Iterator<Item = &VPath> {
        let services = match &self.ground {
            Ground::Machine(machine) => machine.services.as_slice(),
            Ground::Within { .. } => &[],
        };
        self.layers.iter().map(Layer::prefix).chain(services.iter().map(|service| &service.prefix))
    }

    /// The machine's own tree as a mount: for what the agent has to do there itself.
    #[must_use]
    pub fn native(&self) -> &Arc<Mount> {
        &self.native
    }

    /// The mounts that the user asked for, longest prefix first.
    fn mounts(&self) -> impl Iterator<Item = &Arc<Mount>> {
        self.layers.iter().filter_map(|layer| match layer {
            Layer::Mount(mount) => Some(mount),
            Layer::View(_) | Layer::Refused(..) | Layer::Kernel(_) => None,
        })
    }
}

impl Machine {
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
        DriverId(self.next_driver.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether a path is a service's own directory or lies in it.
    fn serves(&self, path: &VPath) -> bool {
        self.services.iter().any(|service| service.prefix.contains(path))
    }

    fn lookup(&self, path: &VPath) -> Option<Place> {
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
            namespace: NamespaceId(0),
            prefix: service.prefix.child(host),
            driver,
            driver_id: self.new_id(),
            base: VPath::root(),
            options,
            native: false,
        }))
    }
}

/// The machine's own tree.
fn native_mount(namespace: NamespaceId, driver: Arc<dyn Driver>) -> Arc<Mount> {
    Arc::new(Mount {
        namespace,
        prefix: VPath::root(),
        driver,
        driver_id: DriverId(0),
        base: VPath::root(),
        options: MountOptions::default(),
        native: true,
    })
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
    Resolver(VPath),
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
                Target::Resolver(program) => PositionedTarget::Resolver(absolute(program, cwd)?),
                Target::Path(path) => PositionedTarget::Path(absolute(path, cwd)?),
                Target::None => {
                    return Err(Error::new(Errno::EINVAL, format!("mount {prefix} names no target")));
                }
            }
        };
        Ok(Positioned { prefix, target, options })
    }

    fn is_onto_itself(&self) -> bool {
        matches!(&self.target, PositionedTarget::Path(path) if *path == self.prefix)
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
