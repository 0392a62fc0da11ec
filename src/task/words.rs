//! The words the text generators are made of. Every generator keeps those that its tokenizer can use.

/// First names, for indirect object identification.
pub(super) const NAMES: &[&str] = &[
    "Mary", "John", "Tom", "James", "Anna", "Paul", "Emily", "Jack", "Kate", "Peter", "Alice",
    "Mark", "Laura", "David", "Sarah", "Daniel", "Jane", "Robert", "Rachel", "Simon", "Susan",
    "Adam", "Amy", "Andrew", "Lisa", "Michael", "Linda", "Chris", "Karen", "George", "Helen",
    "Henry", "Julia", "Kevin", "Maria", "Martin", "Nancy", "Richard", "Ruth", "Scott", "Sam",
    "Steven", "Emma", "William", "Grace", "Ryan", "Victoria", "Charles",
];

/// Places, for indirect object identification.
pub(super) const PLACES: &[&str] = &[
    "store", "park", "school", "station", "market", "library", "beach", "office", "garden",
    "museum", "church", "hotel",
];

/// Things to give, all taking the article "a".
pub(super) const OBJECTS: &[&str] = &[
    "book", "ring", "drink", "ball", "letter", "coin", "basket", "flower", "map", "phone", "cake",
    "ticket", "camera", "watch",
];

/// Things that last for years, for greater-than.
pub(super) const EVENTS: &[&str] = &[
    "war",
    "trip",
    "siege",
    "plague",
    "reign",
    "journey",
    "strike",
    "peace",
    "marriage",
    "project",
    "crisis",
    "campaign",
    "treaty",
    "famine",
    "mission",
    "dispute",
    "alliance",
    "conflict",
    "friendship",
    "search",
    "study",
    "quest",
    "voyage",
    "rule",
    "revolt",
    "trial",
    "drought",
    "tour",
    "feud",
    "boom",
];

/// Nouns with their plural, for subject-verb agreement.
pub(super) const NOUNS: &[(&str, &str)] = &[
    ("dog", "dogs"),
    ("cat", "cats"),
    ("tree", "trees"),
    ("house", "houses"),
    ("car", "cars"),
    ("boat", "boats"),
    ("king", "kings"),
    ("queen", "queens"),
    ("friend", "friends"),
    ("teacher", "teachers"),
    ("doctor", "doctors"),
    ("student", "students"),
    ("artist", "artists"),
    ("lawyer", "lawyers"),
    ("guard", "guards"),
    ("soldier", "soldiers"),
    ("farmer", "farmers"),
    ("driver", "drivers"),
    ("girl", "girls"),
    ("boy", "boys"),
    ("horse", "horses"),
    ("bird", "birds"),
    ("table", "tables"),
    ("chair", "chairs"),
    ("door", "doors"),
    ("window", "windows"),
    ("river", "rivers"),
    ("road", "roads"),
    ("bridge", "bridges"),
    ("tower", "towers"),
    ("hill", "hills"),
    ("lake", "lakes"),
    ("village", "villages"),
    ("neighbor", "neighbors"),
    ("actor", "actors"),
    ("writer", "writers"),
];

/// Words between subject and distractor, for subject-verb agreement.
pub(super) const PREPOSITIONS: &[&str] = &["near", "behind", "beside", "with", "above", "below"];

/// Verbs in the singular and the plural, for subject-verb agreement.
pub(super) const VERBS: &[(&str, &str)] = &[("is", "are"), ("was", "were"), ("has", "have")];

/// Words without order, for induction.
pub(super) const LOOSE: &[&str] = &[
    "red", "blue", "green", "black", "white", "yellow", "gold", "silver", "stone", "water", "fire",
    "wind", "snow", "rain", "sun", "moon", "star", "cloud", "sand", "rock", "iron", "glass",
    "paper", "wood", "leaf", "root", "seed", "fish", "bear", "wolf", "lion", "bread", "milk",
    "salt", "sugar", "apple", "lemon", "rice", "bean", "corn", "cup", "bowl", "knife", "spoon",
    "lamp", "clock", "bell", "drum", "song", "dance", "north", "south", "east", "west", "spring",
    "summer", "winter", "morning", "night", "hand", "foot", "head", "heart", "eye",
];
