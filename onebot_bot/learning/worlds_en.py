"""English words of the generated worlds: what people tell, and the ways to ask for it.

One block per attribute. Its first line: name | fixed, changes or many | how values come | a phrase for what is asked.
`fixed` never changes, `changes` has one value at a time that a newer statement replaces, `many` may have several.
Then, divided by " / ": `=` statements, `i` the same as the person says it, `?` questions that train, `!` questions
that only test, `m?` and `m!` the person's own questions. `{n}` is the person, `{v}` the value, `{av}` the value with
its article.
No form may name a value of its attribute.
"""

ATTRIBUTES = """
birthday | fixed | date | {n}'s birthday
= {n}'s birthday is {v}. / {n} was born on {v}. / {n} celebrates a birthday on {v}.
i My birthday is {v}. / I was born on {v}.
? When is {n}'s birthday? / What date was {n} born on? / On which day do we sing happy birthday to {n}?
? I'm ordering a cake for {n}, when should it be ready? / Which day does {n} turn a year older?
? We want to throw {n} a surprise party, on what date? / How long until {n} has a birthday?
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
? I want to greet {n}'s pet by name. / {n} named the pet, but how?
! What did {n} name the pet? / Which name does {n}'s pet listen to?
! I'm engraving a tag for {n}'s pet, what goes on it?
m? What is my pet called? / What name did I give my pet?
m! What did I name the pet? / Which name does my pet listen to?

favourite_food | changes | spicy hotpot; dumplings; sushi; pizza; ramen; fried tofu; curry; lasagne; tacos; pancakes; \
roast duck; falafel; paella; pho; goulash; cheese fondue | {n}'s favourite food
= {n} loves to eat {v}. / {n}'s favourite food is {v}. / Nothing tastes better to {n} than {v}.
i I love to eat {v}. / My favourite food is {v}.
? What does {n} love to eat? / What is {n}'s favourite food? / Which dish makes {n} happy?
? {n} is coming to dinner, what would be a treat? / What would {n} order every single time?
? What meal can {n} never get enough of? / I want to cook something {n} adores.
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
? The nurse asks about {n}'s allergies. / What makes {n} sneeze and itch?
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
? What kind of work fills {n}'s days? / In what line of work is {n}?
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
? What is the name of the place where {n} is employed?
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
? What is {n}'s current place of residence? / Where is {n}'s flat?
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
? Which place do {n}'s childhood stories take place in?
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
? What does {n} do to unwind?
! Which hobby does {n} have? / What does {n} enjoy doing after work? / What leisure activity is {n} fond of?
m? What is my hobby? / How do I spend my free time?
m! Which pastime do I enjoy? / What leisure activity am I fond of?

sport | changes | badminton; table tennis; rowing; climbing; fencing; judo; volleyball; ice hockey; archery; surfing; \
handball; rugby; squash; boxing; cycling; figure skating | the sport that {n} does
= {n} trains in {v}. / {n}'s sport is {v}. / {n} does {v} twice a week.
i I train in {v}. / My sport is {v}.
? What sport does {n} do? / Which sport is {n} training in? / How does {n} keep fit?
? What does {n} need the sports bag for? / {n} has a match tomorrow, in what?
? In which sports club would {n} be a member? / What athletic thing is {n} into?
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
? Which shade does {n} pick every time? / What colour would {n} paint the room?
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
! What book has {n} got open these days? / Which author's work is {n} reading, what title? / What is {n}'s current read?
m? Which book am I reading? / What novel am I in the middle of?
m! What is my current read? / What book have I got open these days?

band | changes | Queen; Radiohead; Blur; Coldplay; Genesis; Abba; Gorillaz; Metallica; Muse; The Cure; Nirvana; Oasis; \
Blondie; Eurythmics; Portishead; The Doors | the band that {n} likes most
= {n}'s favourite band is {v}. / {n} listens to the band {v} all day. / {n} is a big fan of the band {v}.
i My favourite band is {v}. / I am a big fan of the band {v}.
? What is {n}'s favourite band? / Which group does {n} listen to all day? / Whose concert would {n} never miss?
? Concert tickets for {n}: which band? / Whose songs does {n} hum in the kitchen? / Which band's shirt does {n} wear?
? What music group is {n} a fan of?
! Which band does {n} like best? / Whose records does {n} collect? / Whose music should I play when {n} visits?
m? What is my favourite band? / Whose concert would I never miss?
m! Which band do I like best? / Whose records do I collect?

sibling | fixed | Agnes; Boris; Carla; Dylan; Elsie; Felix; Greta; Hugo; Irma; Jasper; Klara; Lewis; Myra; Nils; \
Odette; Percy; Rosalind; Silas | the name of {n}'s sibling
= {n} has a sibling called {v}. / {n}'s sibling is {v}. / {n} grew up with a sibling, {v}.
i I have a sibling called {v}. / My sibling is {v}.
? What is {n}'s sibling called? / Does {n} have a brother or sister, and who? / Who shared a childhood room with {n}?
? {n}'s brother or sister is at the door, what's the name? / Who is {n}'s sibling? / With whom does {n} share parents?
? Which name does {n}'s sibling have?
! What's the name of {n}'s brother or sister? / Who else is a child of {n}'s parents? / How is {n}'s sibling named?
m? What is my sibling called? / Who shares my parents?
m! What's the name of my brother or sister? / How is my sibling named?

partner | changes | Alba; Bruno; Cosima; Dario; Esme; Florian; Gemma; Hector; Ilona; Joaquin; Kasper; Leonie; Matteo; \
Nadja; Orlando; Priya; Ruben; Selma | the name of {n}'s partner
= {n}'s partner is called {v}. / {n} is together with {v}. / {n} is in a relationship with {v}.
i My partner is called {v}. / I am together with {v}.
? What is {n}'s partner called? / Who is {n} together with? / Who is {n} dating?
? I'm writing a wedding card to {n} and who else? / Whose hand does {n} hold?
? Who should I invite along with {n} as a couple? / With whom is {n} in love?
! What's the name of {n}'s partner? / Who is {n} in a relationship with? / Who is {n}'s significant other?
m? What is my partner called? / Who am I together with?
m! What's the name of my partner? / Who am I in a relationship with?

vehicle | changes | red scooter; blue van; folding bike; old Volvo; yellow Mini; mountain bike; silver Toyota; \
motorbike; \
cargo bike; green jeep; electric Fiat; white pickup; racing bike; black Honda | the vehicle that {n} gets around with
= {n} gets around with {av}. / {n} owns {av} for the road. / {n}'s vehicle is {av}.
i I get around with {av}. / My vehicle is {av}.
? What vehicle does {n} have? / How does {n} get around town? / What does {n} park in front of the house?
? {n} is picking me up, what vehicle do I look for? / What does {n} drive or ride?
? On or in what does {n} come to work? / What did {n} leave at the repair garage?
! Which vehicle does {n} own? / What stands in {n}'s garage? / With what does {n} travel on the road?
m? What vehicle do I have? / How do I get around town?
m! Which vehicle do I own? / What stands in my garage?

phone | changes | Pixel 9; Galaxy S24; iPhone 15; Nokia 3310; Xperia 5; Redmi Note 13; Moto G84; Fairphone 5; Mate 60; \
OnePlus 12; Zenfone 10; iPhone SE; Nothing Phone 2; Honor 90 | the phone model that {n} has
= {n} has the phone model {v}. / {n}'s phone is the {v}. / {n} uses the {v} for calls.
i I have the phone model {v}. / My phone is the {v}.
? Which phone does {n} have? / What phone model does {n} use? / I'm buying {n} a phone case, for which model?
? What kind of mobile does {n} carry? / {n}'s screen is broken, on which phone? / Which model is {n} calling from?
? For which handset does {n} need a charger?
! What model is {n}'s mobile phone? / Which smartphone does {n} own? / What device does {n} make calls with?
m? Which phone do I have? / What phone model do I use?
m! What model is my mobile? / Which smartphone do I own?

shoe_size | fixed | number 35 47 | {n}'s shoe size
= {n}'s shoe size is {v}. / {n} wears shoes in size {v}. / {n} takes a size {v} in shoes.
i My shoe size is {v}. / I wear shoes in size {v}.
? What is {n}'s shoe size? / Which size of shoes does {n} wear? / How big are {n}'s feet, in shoe sizes?
? I'm buying boots for {n}, which size? / {n} needs slippers, what size?
? What size do I ask for when I pick up {n}'s sneakers? / In which size does {n} need ski boots?
! What size are {n}'s shoes? / Which size should I order if sandals are for {n}?
! What number is on the sole of {n}'s shoes?
m? What is my shoe size? / Which size of boots do I need?
m! What size are my shoes? / I'm ordering sandals, what's my size?

lucky_number | fixed | number 2 99 | {n}'s lucky number
= {n}'s lucky number is {v}. / {n} believes that {v} brings luck. / {n} always bets on the number {v}.
i My lucky number is {v}. / I always bet on the number {v}.
? What is {n}'s lucky number? / Which number brings {n} luck? / What number does {n} always bet on?
? Which number should be on {n}'s jersey for luck? / {n} fills in a lottery ticket, which number for sure?
? Which raffle ticket should I pick for {n}? / Which number does {n} swear by?
! What number does {n} think is lucky? / At roulette, what would {n} play? / Which number is special to {n}?
m? What is my lucky number? / Which number brings me luck?
m! What number do I think is lucky? / Which number is special to me?

fear | many | spiders; heights; thunder; lifts; snakes; the dark; deep water; clowns; flying; needles; moths; crowds; \
public speaking; ghosts; horses; tunnels | what {n} is afraid of
= {n} is afraid of {v}. / {n}'s biggest fear is {v}. / {n} is terrified of {v}.
i I am afraid of {v}. / My biggest fear is {v}.
? What is {n} afraid of? / What is {n}'s biggest fear? / What makes {n} scream?
? What should we spare {n} because it is frightening? / What phobia does {n} have? / What gives {n} the creeps?
? What would {n} run away from?
! What scares {n} the most? / What is {n} terrified of? / What does {n} have nightmares about?
m? What am I afraid of? / What is my biggest fear?
m! What scares me the most? / What am I terrified of?

plan | changes | move house; run a marathon; visit Iceland; repaint the kitchen; start a podcast; adopt a puppy; \
open a cafe; hike the Alps; quit smoking; learn to dive; sell the car; plant an orchard; write a novel; \
see the pyramids \
| {n}'s plan for next month
= Next month {n} plans to {v}. / {n} wants to {v} next month. / {n}'s plan for next month is to {v}.
i Next month I plan to {v}. / I want to {v} next month.
? What does {n} plan for next month? / What is {n} going to do next month? / What is {n} up to next month?
? Is {n} busy next month, and with what? / What is {n} preparing for these weeks? / What big thing is ahead for {n}?
? What has {n} put in the calendar for next month?
! Which plan does {n} have for next month? / What does {n} intend to do soon? / What project awaits {n} next month?
m? What do I plan for next month? / What am I going to do next month?
m! Which plan do I have for next month? / What did I say I intend to do soon?

exam | changes | date | the date of {n}'s exam
= {n} has an exam on {v}. / {n}'s exam takes place on {v}. / The date of {n}'s exam is {v}.
i I have an exam on {v}. / My exam takes place on {v}.
? When is {n}'s exam? / On what date does {n} sit the exam? / What is the date of {n}'s test?
? Until when does {n} have to study? / On which day should I wish {n} luck in the exam room?
? From which day is {n} done with the exam? / When does {n} have to show what was learned?
! Which day does {n} take the exam? / When will {n} be tested? / For what date is {n} cramming?
m? When is my exam? / On what date do I sit the exam?
m! Which day do I take the exam? / When will I be tested?

medicine | changes | ibuprofen; insulin; aspirin; iron pills; cough syrup; eye drops; vitamin D; antibiotics; \
cortisone; \
zinc tablets; nasal spray; magnesium; melatonin; fish oil | the medicine that {n} takes
= {n} takes {v} every day. / {n}'s medicine is {v}. / The doctor told {n} to take {v}.
i I take {v} every day. / My medicine is {v}.
? Which medicine does {n} take? / What did the doctor prescribe for {n}? / What does {n} fetch from the pharmacy?
? {n} is travelling, which medication must be packed? / What medication is {n} on?
? What does {n} take every morning for health? / What drug should I remind {n} to take?
! What is {n}'s daily medicine? / What remedy was {n} told to use? / What is on {n}'s prescription?
m? Which medicine do I take? / What did the doctor prescribe for me?
m! What is my daily medicine? / What is on my prescription?

bedtime | changes | time | the time when {n} goes to bed
= {n} goes to bed at {v}. / {n}'s bedtime is {v}. / {n} is asleep from {v} on.
i I go to bed at {v}. / My bedtime is {v}.
? When does {n} go to bed? / What is {n}'s bedtime? / At what time does {n} fall asleep?
? Until when can I call {n} in the evening? / How late does {n} stay up? / From what time on is {n} asleep?
? When does {n} switch the light off at night?
! At what hour does {n} turn in? / When is it too late to text {n}? / What time does {n} usually go to sleep?
m? When do I go to bed? / What is my bedtime?
m! At what hour do I turn in? / What time do I usually go to sleep?

promise | many | return the ladder; bake bread; fix the bike; water the plants; lend the tent; babysit on Friday; \
bring the speakers; pay for lunch; teach us chess; repair the fence; print the photos; book the tickets; call grandma; \
clean the garage | what {n} promised
= {n} promised to {v}. / {n} gave a promise to {v}. / {n} gave us their word to {v}.
i I promise to {v}. / I give you my word to {v}.
? What did {n} promise? / What did {n} promise to do? / Which promise should {n} keep?
? What does {n} still owe us, by their own word? / What should I remind {n} of, that was promised?
? {n} gave us a promise, what was it? / What can we hold {n} to?
! What did {n} give their word on? / Which promise did {n} make? / What has {n} pledged to do?
m? What did I promise? / Which promise should I keep?
m! What did I give my word on? / What did I pledge to do?
"""

ASKED_TRAIN = ("Do you remember {x}?", "Remind me of {x}, please.", "Somebody asked me about {x}.")
ASKED_TEST = ("Could you tell me {x}?", "I forgot {x}, can you help?")
BEFORE_TRAIN = ("Before it changed, what was {x}?", "What used to be {x}?")
BEFORE_TEST = ("As of day {d}, what was {x}?", "What was {x} earlier, before the news?")
"""About what was so once: `{x}` is the phrase of the attribute, `{d}` a day on which the older statement held."""
