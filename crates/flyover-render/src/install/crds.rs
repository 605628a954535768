//! The definitions of the custom resources, labelled like all that is installed.

use flyover_api::resource::crds;

use super::{Installation, Object, meta};

pub(super) fn objects(wanted: &Installation) -> Vec<Object> {
    let labelled = crds().into_iter().map(|mut crd| {
        crd.metadata.labels = Some(meta::labels(wanted, "flyover"));
        Object::of(&crd)
    });
    labelled.collect()
}
