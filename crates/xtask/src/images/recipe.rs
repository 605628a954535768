//! What stands in each image, and how it is started.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Context;
use flyover_bundle::{Architecture, Config, Content, Files, Image};
use flyover_testkit::cluster::libraries;

use super::program::{Program, Source};
use super::toolchain::{Libc, target};
use super::{program, sbom, sysroot};

/// An image of our programs.
pub(super) struct Recipe {
    /// Its name.
    pub(super) name: &'static str,
    user: &'static str,
    /// The first one is started.
    programs: &'static [Program],
}

/// All images of our programs.
pub(super) static RECIPES: [Recipe; 2] = [
    Recipe {
        name: "flyover-operator",
        user: "65532:65532",
        programs: &[Program {
            package: "flyover-operator",
            name: "flyover-operator",
            libc: Libc::Musl,
            path: "/flyover-operator",
        }],
    },
    Recipe {
        name: "flyover-agent",
        // It works on the host, as root, with the capabilities that its pod is given.
        user: "0:0",
        programs: &[
            Program {
                package: "flyover-agent",
                name: "flyover-agent",
                libc: Libc::Gnu,
                path: "/opt/flyover/bin/flyover-agent",
            },
            Program {
                package: "flyover",
                name: "flyover",
                libc: Libc::Gnu,
                path: "/opt/flyover/bin/flyover",
            },
            // Beside the agent, which puts it on the host.
            Program {
                package: "flyover-cni",
                name: "flyover-cni",
                libc: Libc::Musl,
                path: "/opt/flyover/bin/flyover-cni",
            },
        ],
    },
];

impl Recipe {
    /// Puts the programs together.
    pub(super) fn image(
        &self,
        root: &Path,
        to: &Path,
        (architecture, source): (Architecture, Source),
    ) -> anyhow::Result<Image> {
        let mut files = Files::new().folder("/tmp", 0o1777)?;
        let mut linked = BTreeSet::new();
        if source == Source::Image {
            program::build(self.programs, root, to, architecture)?;
        }
        for program in self.programs {
            let file = match source {
                Source::Image => program.built(to, architecture),
                Source::Debug => program.debug(root, to)?,
            };
            if source == Source::Debug {
                linked.extend(libraries(&file)?);
            }
            files = files.file(program.path, 0o755, Content::Disk(file))?;
        }
        for library in linked {
            files = files.file(&library.display().to_string(), 0o755, Content::Disk(library))?;
        }
        if source == Source::Image {
            let bill = self.bill(root, to, architecture)?;
            files =
                files.file("/usr/share/sbom/flyover.cdx.json", 0o644, Content::Bytes(bill.into_bytes()))?;
        }
        let labels = [
            ("org.opencontainers.image.title", self.name),
            ("org.opencontainers.image.version", env!("CARGO_PKG_VERSION")),
            ("org.opencontainers.image.licenses", "Apache-2.0"),
        ];
        let config = Config {
            user: self.user.into(),
            entrypoint: vec![self.programs[0].path.into()],
            environment: [("PATH".into(), "/opt/flyover/bin:/usr/sbin:/usr/bin:/sbin:/bin".into())].into(),
            labels: labels.map(|(key, value)| (key.into(), value.into())).into(),
            ..Config::default()
        };
        Ok(Image { architecture, files, config })
    }

    /// The bill of materials, which also stands beside the layout.
    fn bill(&self, root: &Path, to: &Path, architecture: Architecture) -> anyhow::Result<String> {
        let mut components = BTreeMap::new();
        for program in self.programs {
            components.extend(sbom::crates(root, program.package, target(program.libc, architecture))?);
            if program.libc == Libc::Gnu {
                components.extend(sbom::archives(sysroot::archives(root, architecture)?, architecture));
            }
        }
        let bill = sbom::bill(self.name, components);
        let beside = to.join(format!("{}-{architecture}.cdx.json", self.name));
        fs::write(&beside, &bill).with_context(|| format!("failed to write `{}`", beside.display()))?;
        Ok(bill)
    }
}
