//! Any documents are looked through; what is printed as better is read again, and is nothing to be made better.
#![no_main]

use flyover_api::documents;
use flyover_plan::switch::lint::lint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(read) = documents(text) else { return };
    for better in lint(&read).better {
        let again = documents(&better).expect("what is printed as better is a document");
        assert_eq!(lint(&again).better, [better]);
    }
});
