//! Which types of Rust a column can be read as, and what the schema must say of the column for that.

use std::collections::{BTreeMap, BTreeSet};

use super::{Atom, Datum, Uuid};
use crate::schema::{Kind, Shape};

/// A type of Rust that a column can be read as.
pub trait Column: Sized {
    /// What it is, for errors.
    const WANTED: &'static str;

    /// Reads it.
    fn read(datum: &Datum) -> Option<Self>;

    /// Whether every value that a column of this shape can hold is read.
    fn fits(shape: &Shape) -> bool;
}

/// A type of Rust that a column of one atom can be read as.
pub trait Scalar: Sized {
    /// What it is, for errors.
    const WANTED: &'static str;

    /// What the schema calls it.
    const KIND: Kind;

    /// Reads it.
    fn read(atom: &Atom) -> Option<Self>;
}

macro_rules! scalar {
    ($type:ty, $wanted:literal, $kind:expr, $atom:pat => $value:expr) => {
        impl Scalar for $type {
            const WANTED: &'static str = $wanted;
            const KIND: Kind = $kind;

            fn read(atom: &Atom) -> Option<Self> {
                if let $atom = atom { Some($value) } else { None }
            }
        }

        impl Column for $type {
            const WANTED: &'static str = $wanted;

            fn read(datum: &Datum) -> Option<Self> {
                match datum {
                    Datum::Set(atoms) => match atoms.as_slice() {
                        [atom] => Scalar::read(atom),
                        _ => None,
                    },
                    Datum::Map(_) => None,
                }
            }

            fn fits(shape: &Shape) -> bool {
                shape.is_set_of(Self::KIND) && !shape.many && !shape.optional
            }
        }
    };
}

scalar!(String, "a string", Kind::String, Atom::String(text) => text.clone());
scalar!(i64, "an integer", Kind::Integer, Atom::Integer(number) => *number);
scalar!(bool, "a boolean", Kind::Boolean, Atom::Boolean(yes) => *yes);
scalar!(Uuid, "a row", Kind::Uuid, Atom::Uuid(uuid) => uuid.clone());

impl<T: Scalar> Column for Option<T> {
    const WANTED: &'static str = T::WANTED;

    fn read(datum: &Datum) -> Option<Self> {
        match datum {
            Datum::Set(atoms) => match atoms.as_slice() {
                [] => Some(None),
                [atom] => T::read(atom).map(Some),
                _ => None,
            },
            Datum::Map(_) => None,
        }
    }

    fn fits(shape: &Shape) -> bool {
        shape.is_set_of(T::KIND) && !shape.many
    }
}

impl<T: Scalar + Ord> Column for BTreeSet<T> {
    const WANTED: &'static str = "a set";

    fn read(datum: &Datum) -> Option<Self> {
        match datum {
            Datum::Set(atoms) => atoms.iter().map(T::read).collect(),
            Datum::Map(_) => None,
        }
    }

    fn fits(shape: &Shape) -> bool {
        shape.is_set_of(T::KIND)
    }
}

impl<K: Scalar + Ord, V: Scalar> Column for BTreeMap<K, V> {
    const WANTED: &'static str = "a map";

    fn read(datum: &Datum) -> Option<Self> {
        match datum {
            Datum::Map(pairs) => pairs.iter().map(|(k, v)| Some((K::read(k)?, V::read(v)?))).collect(),
            Datum::Set(_) => None,
        }
    }

    fn fits(shape: &Shape) -> bool {
        shape.key == K::KIND && shape.value == Some(V::KIND)
    }
}
