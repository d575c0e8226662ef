//! `devbridge install`: a keeper for a namespace whose developers may not make one.

use tokio::time::Duration;

use crate::args::Install;
use crate::bundle::Bundle;
use crate::cluster::keeper::{self, Image, InstallError, Manifests, NAME};
use crate::cluster::parts::Parts;
use crate::cluster::{Cluster, preflight};
use crate::error::{Exit, Failure};
use crate::output::Output;

/// How long its pod may take to start.
const READY: Duration = Duration::from_secs(60);

/// Applies the keeper's objects, or prints them.
///
/// # Errors
/// No image to run it with, missing rights, or the API server refuses.
pub async fn run(args: Install, output: &Output) -> Result<(), Failure> {
    let cluster = Cluster::connect(&args.cluster).await?;
    cluster.announce(output);
    let bundle = Bundle::find()
        .map_err(|error| Failure::new("DB-BUNDLE-001", Exit::Failure, error.to_string()).fix(error.hint()))?;
    let image = match args.image {
        Some(image) => Image { image, pull_secrets: Vec::new(), arch: bundle.arch },
        None => keeper::any_image(&cluster, &bundle).await?.ok_or_else(|| {
            Failure::new(
                "DB-KEEPER-001",
                Exit::Target,
                format!("no pod runs in namespace {}", cluster.namespace),
            )
            .why(
                "the keeper runs in an image that the cluster can pull; what is in the image does not matter",
            )
            .fix("name one with --image")
        })?,
    };
    let manifests = Manifests::new(&cluster, &image, &Parts::new(&bundle));
    if args.print {
        return print(&manifests, output);
    }
    cluster.check_protected(args.cluster.yes).await?;
    let missing = preflight::lacking(&cluster, keeper::RIGHTS).await?;
    if !missing.is_empty() {
        return Err(Failure::new(
            "DB-KEEPER-002",
            Exit::Rights,
            format!("you may not install a keeper in namespace {}", cluster.namespace),
        )
        .why(format!("not allowed: {}", missing.join(", ")))
        .fix("ask for the built-in role `admin` in this namespace")
        .fix("give somebody who has it the output of: devbridge install --print"));
    }
    let step = output.step("install", &format!("installing {NAME}, running in image {}", image.image));
    keeper::install(&cluster, &manifests).await?;
    step.done(&format!("{NAME} is installed in namespace {}", cluster.namespace));
    let step = output.step("ready", "waiting for its pod");
    if !keeper::ready(&cluster, READY).await? {
        return Err(Failure::new("DB-KEEPER-003", Exit::Timeout, "the keeper's pod does not become ready")
            .fix(format!("kubectl -n {} describe pods -l {}", cluster.namespace, keeper::KEEPER))
            .fix("devbridge uninstall"));
    }
    step.done("it keeps watch");
    Ok(())
}

fn print(manifests: &Manifests, output: &Output) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::new("DB-KEEPER-004", Exit::Failure, "cannot write the manifests").why(error)
    };
    output.data("# devbridge's keeper. Apply it with: kubectl apply --server-side -f FILE");
    output.data("# (--server-side, because kubectl would otherwise copy the program into an annotation)");
    for document in manifests.documents().map_err(|error| failed(&error))? {
        let yaml = serde_saphyr::to_string(&document).map_err(|error| failed(&error))?;
        output.data(&format!("---\n{}", yaml.trim_end()));
    }
    Ok(())
}

impl From<InstallError> for Failure {
    fn from(error: InstallError) -> Self {
        let what = error.to_string();
        match error {
            InstallError::Foreign => Self::new("DB-KEEPER-005", Exit::Failure, what)
                .why("it has the keeper's name and not its label; nothing was changed"),
            InstallError::Api(error) => error.into(),
        }
    }
}
