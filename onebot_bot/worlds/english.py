"""English words of the generated worlds: what people tell, and the ways to ask for it.

One block per attribute. Its first line: name | fixed, changes or many | how values come | a phrase for what is asked.
`fixed` never changes, `changes` has one value at a time that a newer statement replaces, `many` may have several.
Then, divided by " / ": `=` statements, `i` the same as the person says it, `?` questions that train, `!` questions
that only test, `m?` and `m!` the person's own questions. `{n}` is the person, `{v}` the value, `{av}` the value with
its article.
No form may name a value of its attribute.
"""

from onebot_bot.worlds import english_things

_TASTES = """
birthday | fixed | date | {n}'s birthday
= {n}'s birthday is {v}. / {n} was born on {v}. / {n} celebrates a birthday on {v}.
i My birthday is {v}. / I was born on {v}.
? When is {n}'s birthday? / What date was {n} born on? / On which day do we sing happy birthday to {n}?
? I'm ordering a cake for {n}, when should it be ready? / Which day does {n} turn a year older?
? We want to throw {n} a surprise party, on what date? / How long until {n} has a birthday? / When was {n} born?
? Give me {n}'s date of birth. / {n}'s candles, when do we light them? / I don't want to miss {n}'s big day, when is it?
? What does {n}'s passport say as date of birth? / Is {n}'s birthday coming up, and when exactly?
! Which day should we celebrate {n}? / I still need a birthday present for {n}, by when?
! When did {n} come into the world?
m? When is my birthday? / Which day do I turn a year older?
m! When did I come into the world? / On which day will you congratulate me?

pet | changes | grey cat; black dog; green parrot; turtle; rabbit; hamster; goldfish; hedgehog; white mouse; ferret; \
canary; iguana; guinea pig; corn snake; pony; duck | the pet that {n} keeps
= {n} has {av}. / {n} keeps {av} at home. / {n}'s pet is {av}.
i I have {av}. / I keep {av} at home.
? What pet does {n} have? / Which animal lives with {n}? / Does {n} keep any animals?
? I'm looking after {n}'s flat, what do I have to feed there? / What kind of creature does {n} own?
? Is {n} an animal person, and what lives there? / {n} is off to the vet again, with what animal?
? What animal is {n}'s pet? / {n} and animals, what do you know? / I hear noises from {n}'s flat, which animal is it?
? Which pet should I ask {n} about? / {n} needs a pet sitter, for what kind of pet?
? Who or what greets {n} at the door on four legs, or two, or none?
! Tell me about the animal at {n}'s home. / What sort of pet is waiting when {n} gets home?
! Which animal did {n} take in?
m? What pet do I have? / Which animal lives with me?
m! What kind of animal do I keep? / I'm going to the vet, with which pet of mine?

pet_name | fixed | Biscuit; Pepper; Mochi; Ziggy; Waffles; Olive; Pickle; Comet; Nugget; Tofu; Marble; Domino; Pixel; \
Clover; Rusty; Noodle; Bandit; Maple | the name of {n}'s pet
= {n}'s pet is called {v}. / {n} named the pet {v}. / The name of {n}'s pet is {v}.
i My pet is called {v}. / I named my pet {v}.
? What is {n}'s pet called? / What's the name of {n}'s pet? / How does {n} call the pet?
? What do I shout when {n}'s pet runs away? / Which name is on the collar of {n}'s pet?
? I want to greet {n}'s pet by name. / {n} named the pet, but how? / Tell me the name that {n} gave the pet.
? {n} is calling the pet, what do we hear? / What was the name of {n}'s animal again?
? Who is {n}'s furry friend, by name? / The vet's list shows {n}'s pet under which name?
? By what name does {n} call the little companion?
! What did {n} decide to call the animal at home? / Which name does {n}'s pet listen to?
! I'm engraving a tag for {n}'s pet, what goes on it?
m? What is my pet called? / What name did I give my pet?
m! What did I name the pet? / Which name does my pet listen to?

favourite_food | changes | spicy hotpot; dumplings; sushi; pizza; ramen; fried tofu; curry; lasagne; tacos; pancakes; \
roast duck; falafel; paella; pho; goulash; cheese fondue | {n}'s favourite food
= {n} loves to eat {v}. / {n}'s favourite food is {v}. / Nothing tastes better to {n} than {v}.
i I love to eat {v}. / My favourite food is {v}.
? What does {n} love to eat? / What is {n}'s favourite food? / Which dish makes {n} happy?
? {n} is coming to dinner, what would be a treat? / What would {n} order every single time?
? What meal can {n} never get enough of? / I want to cook something {n} adores. / {n} and food: what's the number one?
? What does {n} like most on the plate? / Dinner with {n}, what would be perfect?
? Which food would {n} pick above all others? / {n} deserves a treat, what shall we order?
? Which meal should I make for {n}'s special day?
! What should I cook to please {n}? / Which food does {n} like best? / Which dish would cheer {n} up?
m? What is my favourite food? / Which dish do I love most?
m! What do I like to eat best? / Guess what I would love for dinner.

disliked_food | many | coriander; liver; blue cheese; olives; mushrooms; aubergine; anchovies; celery; beetroot; \
tripe; \
bitter melon; raw onion; oysters; black pudding; durian; sauerkraut | the food that {n} cannot stand
= {n} cannot stand {v}. / {n} hates eating {v}. / {n} refuses to eat {v}.
i I cannot stand {v}. / I hate eating {v}.
? What food does {n} hate? / What can {n} not stand on a plate? / Which food does {n} refuse?
? What should I leave out because {n} finds it disgusting? / What does {n} always push to the edge of the plate?
? Which taste makes {n} pull a face? / What must not be served to {n}, as a matter of taste?
? {n} and food: what is a no-go? / What would ruin dinner for {n}? / Which ingredient does {n} loathe?
? What does {n} find disgusting to eat? / {n} is a picky eater, what is the problem?
? Which thing on the menu would {n} never touch?
! Which food does {n} dislike most? / What would {n} never willingly eat?
! What should I not cook if {n} is to enjoy it?
m? What food do I hate? / What do I always leave on the plate?
m! Which food do I dislike? / What can you not get me to eat?

allergy | many | peanuts; pollen; shrimp; cat hair; penicillin; milk; dust mites; wheat; eggs; bee stings; latex; \
kiwi; \
soy; walnuts; nickel; mould | what {n} is allergic to
= {n} is allergic to {v}. / {n} has an allergy to {v}. / {n}'s allergy is to {v}.
i I am allergic to {v}. / I have an allergy to {v}.
? What is {n} allergic to? / Which allergy does {n} have? / What gives {n} a rash?
? Is there anything {n} must avoid for health reasons? / What would send {n} to the hospital with swelling?
? The nurse asks about {n}'s allergies. / What makes {n} sneeze and itch? / {n} and allergies, what was it?
? Does {n} react badly to something? / For {n}'s safety, what must we keep away?
? What is {n}'s body unable to tolerate? / I'm filling in a medical form for {n}, which allergy do I note?
? What does {n} need antihistamines for?
! Does {n} suffer from an allergy, and to what? / What triggers {n}'s allergy?
! What could cause {n} an allergic reaction?
m? What am I allergic to? / Which allergy do I have?
m! What triggers my allergy? / Do I suffer from an allergy, and to what?

job | changes | nurse; pilot; teacher; chef; programmer; painter; bus driver; lawyer; dentist; baker; architect; \
plumber; journalist; gardener; translator; electrician; librarian; tailor | {n}'s job
= {n} works as {av}. / {n} is {av} by profession. / {n} earns a living as {av}.
i I work as {av}. / I am {av} by profession.
? What is {n}'s job? / How does {n} make a living? / What is the profession of {n}?
? What is printed under {n}'s name on the business card? / What did {n} train to become?
? What kind of work fills {n}'s days? / In what line of work is {n}? / What did {n} choose as a career?
? {n}'s career, what is it? / As what is {n} working? / If I ask {n} about work, what will I hear about?
? What is {n}'s trade? / When {n} clocks in, what role is it?
! What does {n} do for work? / Which occupation does {n} have? / How does {n} earn money?
m? What is my job? / What do I do for a living?
m! Which occupation do I have? / How do I earn my money?

employer | changes | Northwind; Blue Lantern; Hexagon Labs; Riverside School; Oak and Sons; Starfield Media; \
Bright Clinic; \
Delta Freight; Harbour Bank; Green Valley Farm; Polaris Games; Summit Insurance; Cedar College; \
Atlas Rail | {n}'s workplace
= {n} works at {v}. / {n} is employed by {v}. / {n}'s employer is {v}.
i I work at {v}. / My employer is {v}.
? Where does {n} work? / Which company is {n} with? / Who is {n}'s employer? / Whose logo is on {n}'s work badge?
? Where do I send {n}'s office mail, which firm? / Who pays {n}'s salary?
? What is the name of the place where {n} is employed? / For whom does {n} work? / What company is on {n}'s payslip?
? {n}'s boss runs which place? / I'm meeting {n} at the office, of which company? / Which business employs {n}?
? Where has {n} got a desk, at which firm?
! Which organisation does {n} work for? / At which firm can I find {n} on a weekday?
! Who did {n} sign a work contract with?
m? Where do I work? / Who is my employer?
m! Which organisation do I work for? / Who did I sign a work contract with?

city | changes | Beijing; Shanghai; Chengdu; Paris; Tokyo; London; Berlin; Lisbon; Toronto; Oslo; Madrid; Seoul; \
Vienna; \
Sydney; Nairobi; Boston; Prague; Lima | the city that {n} lives in
= {n} lives in {v}. / {n}'s home is in {v}. / {n} is based in {v}.
i I live in {v}. / My home is in {v}.
? Where does {n} live? / In which city is {n}'s home? / Which city is {n} based in now?
? I want to send {n} a postcard, to which city? / Which town should I travel to for a visit to {n}?
? What is {n}'s current place of residence? / Where is {n}'s flat? / Where is {n} living now? / What's {n}'s city?
? {n} and I could meet for coffee, in which city? / Where does {n} go home to at night, what town?
? What city stands in {n}'s address? / If I flew to see {n}, where would I land?
! Where can I visit {n} at home? / In what city does {n} reside? / Which city does {n} call home these days?
m? Where do I live? / In which city is my home?
m! In what city do I reside? / Which city do I call home these days?

hometown | fixed | Brighton; Salzburg; Harbin; Kyoto; Porto; Galway; Ghent; Bergen; Quito; Hobart; Leipzig; Suzhou; \
Cork; \
Tartu; Pisa; Dalian; Avignon; Zadar | the place where {n} grew up
= {n} grew up in {v}. / {n} comes from {v}. / {n}'s hometown is {v}.
i I grew up in {v}. / I come from {v}.
? Where did {n} grow up? / What is {n}'s hometown? / Where is {n} originally from?
? In which town did {n} spend childhood? / Where did {n} go to primary school, in which town? / Where are {n}'s roots?
? Which place do {n}'s childhood stories take place in? / What place is {n} from? / Where was {n} as a child?
? {n} talks of the old days, in which town? / Where did {n}'s family live back then?
? What is the birthplace of {n}'s accent? / Where did {n} live before growing up?
! Which town does {n} come from? / Where was {n} raised? / To which town does {n} go back for old times' sake?
m? Where did I grow up? / What is my hometown?
m! Which town do I come from? / Where was I raised?

hobby | many | pottery; knitting; birdwatching; chess; stargazing; origami; baking bread; stamp collecting; \
woodcarving; \
photography; calligraphy; fishing; model trains; gardening; sewing; beekeeping | {n}'s hobby
= {n}'s hobby is {v}. / In free time {n} enjoys {v}. / {n} spends weekends on {v}.
i My hobby is {v}. / In my free time I enjoy {v}.
? What is {n}'s hobby? / How does {n} spend free time? / What does {n} do for fun at weekends?
? What pastime keeps {n} busy? / {n} has a free Sunday, doing what? / What could {n} talk about for hours as a pastime?
? What does {n} do to unwind? / {n} and free time: what's the passion? / What is {n} into as a hobby?
? After a long week, what does {n} turn to? / What do I give {n} for a gift that fits the hobby?
? What does {n} love doing on days off? / How does {n} pass the time at home?
! Which hobby does {n} have? / What does {n} enjoy doing after work? / What leisure activity is {n} fond of?
m? What is my hobby? / How do I spend my free time?
m! Which pastime do I enjoy? / What leisure activity am I fond of?

sport | changes | badminton; table tennis; rowing; climbing; fencing; judo; volleyball; ice hockey; archery; surfing; \
handball; rugby; squash; boxing; cycling; figure skating | the sport that {n} does
= {n} trains in {v}. / {n}'s sport is {v}. / {n} does {v} twice a week.
i I train in {v}. / My sport is {v}.
? What sport does {n} do? / Which sport is {n} training in? / How does {n} keep fit?
? What does {n} need the sports bag for? / {n} has a match tomorrow, in what?
? In which sports club would {n} be a member? / What athletic thing is {n} into? / {n} and sports, what was it?
? What does {n} play or train? / Which sport is {n}'s? / What sport could I watch {n} in?
? What kind of exercise does {n} do? / I'm buying sports gear for {n}, for what sport?
! Which sport does {n} practise? / At what sport could I challenge {n}? / What kind of training does {n} go to?
m? What sport do I do? / How do I keep fit?
m! Which sport do I practise? / What kind of training do I go to?

instrument | changes | violin; piano; flute; drums; cello; trumpet; harp; banjo; clarinet; accordion; ukulele; \
saxophone; \
guitar; oboe; harmonica; viola | the instrument that {n} plays
= {n} plays the {v}. / {n} makes music on the {v}. / {n}'s instrument is the {v}.
i I play the {v}. / My instrument is the {v}.
? Which instrument does {n} play? / What does {n} play in the orchestra? / On what does {n} make music?
? {n} is practising music next door, what do I hear? / What would {n} bring to a jam session?
? What does {n} take music lessons in? / If we start a band, what would {n} play?
? {n} and music, what does that sound like? / What is in {n}'s music case? / Which instrument should I ask {n} to bring?
? {n} gives a concert, on what? / What does {n} tune before playing?
? Which sheet music would suit {n}, for what instrument?
! What musical instrument is {n}'s? / What can {n} play for us on stage? / Which instrument did {n} learn?
m? Which instrument do I play? / What would I bring to a jam session?
m! What musical instrument is mine? / Which instrument did I learn?

language | changes | Spanish; Korean; Swahili; Italian; Finnish; Arabic; Greek; Hindi; Polish; Turkish; Icelandic; \
Welsh; Thai; Hungarian; Dutch; Vietnamese | the language that {n} is learning
= {n} is learning {v}. / {n} studies {v} in the evenings. / {n} takes lessons in {v}.
i I am learning {v}. / I take lessons in {v}.
? Which language is {n} learning? / What language does {n} study? / Which foreign tongue is {n} working on?
? Which dictionary would {n} like as a gift? / {n} goes to evening class for what language?
? In which language does {n} practise greetings? / What vocabulary cards does {n} carry, in what language?
? What is {n} studying, which language? / {n} and languages, what is new? / Which tongue is {n} trying to master?
? What language is {n}'s textbook for? / In what language does {n} try to order coffee now?
? {n}'s teacher speaks which foreign language?
! What new language is {n} picking up? / Which language course did {n} sign up for?
! Soon {n} will speak which language?
m? Which language am I learning? / What language do I study?
m! What new language am I picking up? / Which language course am I taking?

colour | changes | turquoise; crimson; olive green; navy blue; lilac; mustard yellow; ivory; coral; silver; charcoal; \
emerald; peach; burgundy; sky blue; copper; mint | {n}'s favourite colour
= {n}'s favourite colour is {v}. / {n} likes the colour {v} best. / The colour that {n} loves is {v}.
i My favourite colour is {v}. / I like the colour {v} best.
? What is {n}'s favourite colour? / Which colour does {n} like best? / In which colour should I wrap {n}'s present?
? {n} wants new curtains, in what shade? / What colour of scarf would suit {n}'s taste?
? Which shade does {n} pick every time? / What colour would {n} paint the room? / {n} and colours, which one wins?
? What's the colour that {n} loves? / Which paint should I buy for {n}? / In what colour should I get {n}'s new mug?
? Which colour is most {n}? / What hue does {n} prefer?
! Which colour is {n} fondest of? / I'm knitting a hat for {n}, wool of which colour? / What shade does {n} love?
m? What is my favourite colour? / Which colour do I like best?
m! Which colour am I fondest of? / What shade do I love?

film | changes | Casablanca; Spirited Away; Alien; Amelie; The Matrix; Ratatouille; Jaws; Paddington; Gladiator; \
Shrek; \
The Godfather; Psycho; Toy Story; Inception; Parasite; Titanic | {n}'s favourite film
= {n}'s favourite film is {v}. / {n} has watched the film {v} many times. / The film that {n} loves most is {v}.
i My favourite film is {v}. / I have watched the film {v} many times.
? What is {n}'s favourite film? / Which movie does {n} love most? / Which film can {n} quote by heart?
? It's movie night with {n}, what should we put on? / Which poster from the cinema hangs over {n}'s desk?
? Which movie would {n} see again and again? / What should I stream to make {n} happy?
? {n} and the cinema: what's number one? / What's the film {n} loves? / Which movie does {n} recommend to everyone?
? What DVD should I give {n}? / Name the film that {n} adores. / What is the best movie ever, in {n}'s eyes?
! Which film does {n} like best? / What movie has {n} rewatched the most? / Which DVD would {n} save from a fire?
m? What is my favourite film? / Which movie have I seen again and again?
m! Which film do I like best? / What movie have I rewatched the most?

book | changes | Dune; Emma; Dracula; Moby Dick; The Hobbit; Beloved; Ulysses; Frankenstein; Persuasion; Middlemarch; \
Treasure Island; Don Quixote; Little Women; Walden; Momo; Candide | the book that {n} is reading
= {n} is reading the book {v}. / The book on {n}'s bedside table is {v}. / {n} is in the middle of the book {v}.
i I am reading the book {v}. / I am in the middle of the book {v}.
? Which book is {n} reading? / What lies on {n}'s bedside table to read? / What novel is {n} in the middle of?
? {n} lost a book on the train, which one? / What is {n} reading at the moment?
? Which title did {n} borrow from the library? / What story keeps {n} up with a lamp on?
? {n} and books: what's the current one? / What's {n} got a bookmark in? / Which novel does {n} carry around?
? What is the title of what {n} is reading? / Name the book that {n} is busy with.
? I want to talk with {n} about reading, which book?
! What book has {n} got open these days? / Which author's work is {n} reading, what title? / What is {n}'s current read?
m? Which book am I reading? / What novel am I in the middle of?
m! What is my current read? / What book have I got open these days?

band | changes | Queen; Radiohead; Blur; Coldplay; Genesis; Abba; Gorillaz; Metallica; Muse; The Cure; Nirvana; Oasis; \
Blondie; Eurythmics; Portishead; The Doors | the band that {n} likes most
= {n}'s favourite band is {v}. / {n} listens to the band {v} all day. / {n} is a big fan of the band {v}.
i My favourite band is {v}. / I am a big fan of the band {v}.
? What is {n}'s favourite band? / Which group does {n} listen to all day? / Whose concert would {n} never miss?
? Concert tickets for {n}: which band? / Whose songs does {n} hum in the kitchen? / Which band's shirt does {n} wear?
? What music group is {n} a fan of? / {n} and music: which group? / What band does {n} adore?
? Which band is on {n}'s playlist? / Whose poster hangs in {n}'s room, of the bands?
? What group would {n} travel to see live? / Name the band that {n} loves.
! Which band does {n} like best? / Whose records does {n} collect? / Whose music should I play when {n} visits?
m? What is my favourite band? / Whose concert would I never miss?
m! Which band do I like best? / Whose records do I collect?
"""

ATTRIBUTES = _TASTES + english_things.ATTRIBUTES

ASKED_TRAIN = (
    "Do you remember {x}?",
    "Remind me of {x}, please.",
    "Somebody asked me about {x}.",
    "What was {x} again?",
    "Do you happen to know {x}?",
    "I need to know {x}.",
    "Any idea about {x}?",
    "Let's talk about {x}.",
)
ASKED_TEST = ("Could you tell me {x}?", "I forgot {x}, can you help?")
BEFORE_TRAIN = ("Before it changed, what was {x}?", "What used to be {x}?")
BEFORE_TEST = ("As of day {d}, what was {x}?", "What was {x} earlier, before the news?")
"""About what was so once: `{x}` is the phrase of the attribute, `{d}` a day on which the older statement held."""
