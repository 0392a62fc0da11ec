//! Functions of words, as lists of words and answers.

use serde::{Deserialize, Serialize};

/// A function from words to words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WordFunction {
    /// hot -> cold.
    Antonym,
    /// France -> Paris.
    Capital,
    /// go -> went.
    PastTense,
    /// child -> children.
    Plural,
    /// dog -> chien.
    French,
}

impl WordFunction {
    /// Its words with their answers.
    pub(super) fn words(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Antonym => ANTONYMS,
            Self::Capital => CAPITALS,
            Self::PastTense => PAST_TENSES,
            Self::Plural => PLURALS,
            Self::French => FRENCH,
        }
    }
}

/// Words with their opposites.
#[rustfmt::skip]
const ANTONYMS: &[(&str, &str)] = &[
    ("hot", "cold"), ("up", "down"), ("left", "right"), ("big", "small"), ("fast", "slow"),
    ("good", "bad"), ("happy", "sad"), ("rich", "poor"), ("old", "young"), ("early", "late"),
    ("high", "low"), ("hard", "soft"), ("open", "closed"), ("light", "dark"), ("strong", "weak"),
    ("day", "night"), ("full", "empty"), ("near", "far"), ("wet", "dry"), ("true", "false"),
    ("love", "hate"), ("win", "lose"), ("buy", "sell"), ("push", "pull"), ("start", "stop"),
    ("inside", "outside"), ("above", "below"), ("before", "after"), ("first", "last"),
    ("always", "never"), ("more", "less"), ("many", "few"), ("long", "short"), ("thick", "thin"),
    ("wide", "narrow"), ("deep", "shallow"), ("clean", "dirty"), ("loud", "quiet"),
    ("rough", "smooth"), ("sharp", "dull"), ("heavy", "light"), ("cheap", "expensive"),
    ("easy", "difficult"), ("alive", "dead"), ("asleep", "awake"), ("black", "white"),
    ("war", "peace"), ("friend", "enemy"), ("north", "south"), ("east", "west"),
    ("summer", "winter"), ("male", "female"), ("king", "queen"), ("top", "bottom"),
    ("front", "back"), ("entrance", "exit"), ("success", "failure"), ("future", "past"),
    ("question", "answer"), ("give", "take"), ("remember", "forget"), ("laugh", "cry"),
    ("increase", "decrease"), ("add", "subtract"), ("accept", "reject"), ("attack", "defend"),
    ("arrive", "depart"), ("begin", "end"), ("borrow", "lend"), ("build", "destroy"),
    ("safe", "dangerous"), ("brave", "cowardly"), ("polite", "rude"), ("public", "private"),
    ("simple", "complex"), ("single", "married"), ("tall", "short"), ("tight", "loose"),
    ("visible", "invisible"), ("possible", "impossible"), ("legal", "illegal"),
    ("positive", "negative"), ("maximum", "minimum"), ("major", "minor"), ("ancient", "modern"),
    ("guilty", "innocent"), ("healthy", "sick"), ("honest", "dishonest"), ("internal", "external"),
    ("junior", "senior"), ("natural", "artificial"), ("optimistic", "pessimistic"),
    ("permanent", "temporary"), ("present", "absent"), ("raw", "cooked"), ("sweet", "sour"),
    ("victory", "defeat"), ("villain", "hero"), ("vertical", "horizontal"), ("yes", "no"),
];

/// Countries with their capitals.
#[rustfmt::skip]
const CAPITALS: &[(&str, &str)] = &[
    ("France", "Paris"), ("Germany", "Berlin"), ("Italy", "Rome"), ("Spain", "Madrid"),
    ("Portugal", "Lisbon"), ("England", "London"), ("Ireland", "Dublin"), ("Russia", "Moscow"),
    ("China", "Beijing"), ("Japan", "Tokyo"), ("Egypt", "Cairo"), ("Greece", "Athens"),
    ("Turkey", "Ankara"), ("Poland", "Warsaw"), ("Austria", "Vienna"), ("Hungary", "Budapest"),
    ("Norway", "Oslo"), ("Sweden", "Stockholm"), ("Finland", "Helsinki"), ("Denmark", "Copenhagen"),
    ("Belgium", "Brussels"), ("Netherlands", "Amsterdam"), ("Switzerland", "Bern"),
    ("Canada", "Ottawa"), ("Australia", "Canberra"), ("Cuba", "Havana"), ("Peru", "Lima"),
    ("Chile", "Santiago"), ("Kenya", "Nairobi"), ("Iraq", "Baghdad"), ("Iran", "Tehran"),
    ("Syria", "Damascus"), ("Lebanon", "Beirut"), ("Jordan", "Amman"), ("Israel", "Jerusalem"),
    ("Ukraine", "Kiev"), ("Romania", "Bucharest"), ("Bulgaria", "Sofia"), ("Serbia", "Belgrade"),
    ("Croatia", "Zagreb"), ("Thailand", "Bangkok"), ("Vietnam", "Hanoi"), ("Indonesia", "Jakarta"),
    ("Philippines", "Manila"), ("Pakistan", "Islamabad"), ("Afghanistan", "Kabul"),
    ("Nepal", "Kathmandu"), ("Bangladesh", "Dhaka"), ("Morocco", "Rabat"), ("Algeria", "Algiers"),
    ("Tunisia", "Tunis"), ("Libya", "Tripoli"), ("Nigeria", "Abuja"), ("Ghana", "Accra"),
    ("Senegal", "Dakar"), ("Colombia", "Bogota"), ("Ecuador", "Quito"), ("Venezuela", "Caracas"),
    ("Uruguay", "Montevideo"), ("Iceland", "Reykjavik"), ("Qatar", "Doha"), ("Zimbabwe", "Harare"),
    ("Uganda", "Kampala"), ("Zambia", "Lusaka"), ("Taiwan", "Taipei"), ("Scotland", "Edinburgh"),
    ("Wales", "Cardiff"), ("Latvia", "Riga"), ("Lithuania", "Vilnius"), ("Estonia", "Tallinn"),
    ("Georgia", "Tbilisi"), ("Armenia", "Yerevan"), ("Belarus", "Minsk"),
    ("Slovakia", "Bratislava"), ("Slovenia", "Ljubljana"), ("Somalia", "Mogadishu"),
    ("Sudan", "Khartoum"), ("Rwanda", "Kigali"), ("Angola", "Luanda"), ("Cyprus", "Nicosia"),
    ("Jamaica", "Kingston"), ("Paraguay", "Asuncion"), ("Oman", "Muscat"),
];

/// Verbs with their past tense.
#[rustfmt::skip]
const PAST_TENSES: &[(&str, &str)] = &[
    ("go", "went"), ("see", "saw"), ("take", "took"), ("give", "gave"), ("come", "came"),
    ("know", "knew"), ("think", "thought"), ("make", "made"), ("find", "found"), ("tell", "told"),
    ("say", "said"), ("get", "got"), ("leave", "left"), ("feel", "felt"), ("bring", "brought"),
    ("begin", "began"), ("keep", "kept"), ("hold", "held"), ("write", "wrote"), ("stand", "stood"),
    ("hear", "heard"), ("let", "let"), ("mean", "meant"), ("set", "set"), ("meet", "met"),
    ("run", "ran"), ("pay", "paid"), ("sit", "sat"), ("speak", "spoke"), ("lie", "lay"),
    ("lead", "led"), ("grow", "grew"), ("lose", "lost"), ("fall", "fell"), ("send", "sent"),
    ("build", "built"), ("draw", "drew"), ("break", "broke"), ("spend", "spent"), ("cut", "cut"),
    ("rise", "rose"), ("drive", "drove"), ("buy", "bought"), ("wear", "wore"), ("choose", "chose"),
    ("eat", "ate"), ("drink", "drank"), ("sing", "sang"), ("swim", "swam"), ("fly", "flew"),
    ("throw", "threw"), ("catch", "caught"), ("teach", "taught"), ("fight", "fought"),
    ("win", "won"), ("sleep", "slept"), ("sell", "sold"), ("shake", "shook"), ("steal", "stole"),
    ("swear", "swore"), ("tear", "tore"), ("wake", "woke"), ("forget", "forgot"),
    ("freeze", "froze"), ("hide", "hid"), ("ride", "rode"), ("ring", "rang"), ("sink", "sank"),
    ("spring", "sprang"), ("strike", "struck"), ("walk", "walked"), ("talk", "talked"),
    ("play", "played"), ("work", "worked"), ("live", "lived"), ("love", "loved"),
    ("look", "looked"), ("ask", "asked"), ("call", "called"), ("turn", "turned"),
    ("help", "helped"), ("start", "started"), ("move", "moved"), ("open", "opened"),
    ("close", "closed"), ("need", "needed"), ("want", "wanted"), ("seem", "seemed"),
    ("use", "used"), ("try", "tried"), ("stop", "stopped"), ("add", "added"), ("change", "changed"),
    ("follow", "followed"), ("create", "created"), ("allow", "allowed"), ("die", "died"),
    ("wait", "waited"), ("serve", "served"), ("stay", "stayed"), ("reach", "reached"),
    ("kill", "killed"), ("raise", "raised"), ("pass", "passed"), ("decide", "decided"),
];

/// Nouns with their plural.
#[rustfmt::skip]
const PLURALS: &[(&str, &str)] = &[
    ("child", "children"), ("man", "men"), ("woman", "women"), ("foot", "feet"), ("tooth", "teeth"),
    ("mouse", "mice"), ("goose", "geese"), ("person", "people"), ("leaf", "leaves"),
    ("knife", "knives"), ("life", "lives"), ("wife", "wives"), ("wolf", "wolves"),
    ("half", "halves"), ("shelf", "shelves"), ("city", "cities"), ("country", "countries"),
    ("baby", "babies"), ("lady", "ladies"), ("story", "stories"), ("party", "parties"),
    ("family", "families"), ("army", "armies"), ("body", "bodies"), ("box", "boxes"),
    ("church", "churches"), ("class", "classes"), ("dish", "dishes"), ("match", "matches"),
    ("bus", "buses"), ("tax", "taxes"), ("hero", "heroes"), ("potato", "potatoes"),
    ("tomato", "tomatoes"), ("dog", "dogs"), ("cat", "cats"), ("tree", "trees"),
    ("house", "houses"), ("car", "cars"), ("book", "books"), ("bird", "birds"), ("horse", "horses"),
    ("king", "kings"), ("queen", "queens"), ("river", "rivers"), ("road", "roads"),
    ("street", "streets"), ("friend", "friends"), ("teacher", "teachers"), ("doctor", "doctors"),
    ("student", "students"), ("word", "words"), ("letter", "letters"), ("number", "numbers"),
    ("day", "days"), ("week", "weeks"), ("month", "months"), ("year", "years"), ("hour", "hours"),
    ("minute", "minutes"), ("hand", "hands"), ("eye", "eyes"), ("arm", "arms"), ("leg", "legs"),
    ("head", "heads"), ("heart", "hearts"), ("game", "games"), ("song", "songs"),
    ("table", "tables"), ("chair", "chairs"), ("door", "doors"), ("window", "windows"),
    ("wall", "walls"), ("room", "rooms"), ("school", "schools"), ("bank", "banks"),
    ("shop", "shops"), ("store", "stores"), ("farm", "farms"), ("field", "fields"),
    ("hill", "hills"), ("lake", "lakes"), ("island", "islands"), ("ship", "ships"),
    ("boat", "boats"), ("plane", "planes"), ("train", "trains"), ("ball", "balls"),
    ("ring", "rings"), ("stone", "stones"), ("star", "stars"), ("flower", "flowers"),
    ("apple", "apples"), ("egg", "eggs"), ("shoe", "shoes"), ("shirt", "shirts"), ("hat", "hats"),
];

/// English words with French ones.
#[rustfmt::skip]
const FRENCH: &[(&str, &str)] = &[
    ("dog", "chien"), ("cat", "chat"), ("house", "maison"), ("water", "eau"), ("bread", "pain"),
    ("wine", "vin"), ("milk", "lait"), ("day", "jour"), ("night", "nuit"), ("king", "roi"),
    ("queen", "reine"), ("man", "homme"), ("woman", "femme"), ("child", "enfant"),
    ("father", "père"), ("mother", "mère"), ("brother", "frère"), ("sister", "soeur"),
    ("son", "fils"), ("friend", "ami"), ("book", "livre"), ("door", "porte"), ("window", "fenêtre"),
    ("street", "rue"), ("city", "ville"), ("country", "pays"), ("world", "monde"),
    ("sun", "soleil"), ("moon", "lune"), ("sea", "mer"), ("river", "fleuve"), ("tree", "arbre"),
    ("flower", "fleur"), ("bird", "oiseau"), ("horse", "cheval"), ("fish", "poisson"),
    ("hand", "main"), ("foot", "pied"), ("head", "tête"), ("eye", "oeil"), ("heart", "coeur"),
    ("red", "rouge"), ("black", "noir"), ("white", "blanc"), ("green", "vert"), ("blue", "bleu"),
    ("yellow", "jaune"), ("big", "grand"), ("small", "petit"), ("good", "bon"), ("bad", "mauvais"),
    ("new", "nouveau"), ("old", "vieux"), ("young", "jeune"), ("one", "un"), ("two", "deux"),
    ("three", "trois"), ("four", "quatre"), ("five", "cinq"), ("seven", "sept"), ("eight", "huit"),
    ("nine", "neuf"), ("ten", "dix"), ("year", "an"), ("month", "mois"), ("week", "semaine"),
    ("time", "temps"), ("life", "vie"), ("death", "mort"), ("love", "amour"), ("war", "guerre"),
    ("peace", "paix"), ("work", "travail"), ("school", "école"), ("church", "église"),
    ("bridge", "pont"), ("mountain", "montagne"), ("forest", "forêt"), ("fire", "feu"),
    ("earth", "terre"), ("sky", "ciel"), ("wind", "vent"), ("snow", "neige"), ("rain", "pluie"),
    ("winter", "hiver"), ("summer", "été"), ("morning", "matin"), ("evening", "soir"),
    ("yes", "oui"), ("no", "non"), ("and", "et"), ("with", "avec"), ("without", "sans"),
    ("under", "sous"), ("on", "sur"), ("in", "dans"), ("very", "très"), ("always", "toujours"),
    ("never", "jamais"), ("money", "argent"), ("car", "voiture"), ("letter", "lettre"),
    ("word", "mot"),
];
