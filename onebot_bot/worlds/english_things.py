"""English words of the generated worlds, continued: people's people, things, numbers and plans."""

ATTRIBUTES = """
sibling | fixed | Agnes; Boris; Carla; Dylan; Elsie; Felix; Greta; Hugo; Irma; Jasper; Klara; Lewis; Myra; Nils; \
Odette; Percy; Rosalind; Silas | the name of {n}'s sibling
= {n} has a sibling called {v}. / {n}'s sibling is {v}. / {n} grew up with a sibling, {v}.
i I have a sibling called {v}. / My sibling is {v}.
? What is {n}'s sibling called? / Does {n} have a brother or sister, and who? / Who shared a childhood room with {n}?
? {n}'s brother or sister is at the door, what's the name? / Who is {n}'s sibling? / With whom does {n} share parents?
? Which name does {n}'s sibling have? / Who is {n}'s brother or sister? / {n} and family: who is the sibling?
? Which name do {n}'s parents call besides {n}'s? / Who grew up together with {n}? / What's {n}'s sibling named?
? Tell me the name of {n}'s sibling.
! What's the name of {n}'s brother or sister? / Who else is a child of {n}'s parents? / How is {n}'s sibling named?
m? What is my sibling called? / Who shares my parents?
m! What's the name of my brother or sister? / How is my sibling named?

partner | changes | Alba; Bruno; Cosima; Dario; Esme; Florian; Gemma; Hector; Ilona; Joaquin; Kasper; Leonie; Matteo; \
Nadja; Orlando; Priya; Ruben; Selma | the name of {n}'s partner
= {n}'s partner is called {v}. / {n} is together with {v}. / {n} is in a relationship with {v}.
i My partner is called {v}. / I am together with {v}.
? What is {n}'s partner called? / Who is {n} together with? / Who is {n} dating?
? I'm writing a wedding card to {n} and who else? / Whose hand does {n} hold?
? Who should I invite along with {n} as a couple? / With whom is {n} in love? / Who does {n} love?
? {n} and love: who is it? / Who is {n}'s better half? / What's the name of the one {n} is seeing?
? Is {n} single, or with whom? / Who goes on dates with {n}?
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
? On or in what does {n} come to work? / What did {n} leave at the repair garage? / {n} and transport: what is it?
? What does {n} travel with? / Which vehicle belongs to {n}? / I see {n} arriving, with what vehicle?
? What does {n} have for getting around? / Which wheels are {n}'s?
! Which vehicle does {n} own? / What stands in {n}'s garage? / With what does {n} travel on the road?
m? What vehicle do I have? / How do I get around town?
m! Which vehicle do I own? / What stands in my garage?

phone | changes | Pixel 9; Galaxy S24; iPhone 15; Nokia 3310; Xperia 5; Redmi Note 13; Moto G84; Fairphone 5; Mate 60; \
OnePlus 12; Zenfone 10; iPhone SE; Nothing Phone 2; Honor 90 | the phone model that {n} has
= {n} has the phone model {v}. / {n}'s phone is the {v}. / {n} uses the {v} for calls.
i I have the phone model {v}. / My phone is the {v}.
? Which phone does {n} have? / What phone model does {n} use? / I'm buying {n} a phone case, for which model?
? What kind of mobile does {n} carry? / {n}'s screen is broken, on which phone? / Which model is {n} calling from?
? For which handset does {n} need a charger? / {n} and phones: which model? / What mobile is {n} using?
? Which phone rings when I call {n}? / What's in {n}'s pocket, which phone? / What handset is {n}'s?
? Which phone should I say is lost, if {n} lost one?
! What model is {n}'s mobile phone? / Which smartphone does {n} own? / What device does {n} make calls with?
m? Which phone do I have? / What phone model do I use?
m! What model is my mobile? / Which smartphone do I own?

shoe_size | fixed | number 35 47 | {n}'s shoe size
= {n}'s shoe size is {v}. / {n} wears shoes in size {v}. / {n} takes a size {v} in shoes.
i My shoe size is {v}. / I wear shoes in size {v}.
? What is {n}'s shoe size? / Which size of shoes does {n} wear? / How big are {n}'s feet, in shoe sizes?
? I'm buying boots for {n}, which size? / {n} needs slippers, what size?
? What size do I ask for when I pick up {n}'s sneakers? / In which size does {n} need ski boots?
? How large are {n}'s shoes? / {n} and shoes: what size? / I found sneakers that {n} would love, in which size?
? Bowling with {n}, what shoe size do we ask for? / What size fits {n}'s feet? / The shop asks for {n}'s shoe size.
! What size are {n}'s shoes? / Which size should I order if sandals are for {n}?
! What number is on the sole of {n}'s shoes?
m? What is my shoe size? / Which size of boots do I need?
m! What size are my shoes? / I'm ordering sandals, what's my size?

lucky_number | fixed | number 2 99 | {n}'s lucky number
= {n}'s lucky number is {v}. / {n} believes that {v} brings luck. / {n} always bets on the number {v}.
i My lucky number is {v}. / I always bet on the number {v}.
? What is {n}'s lucky number? / Which number brings {n} luck? / What number does {n} always bet on?
? Which number should be on {n}'s jersey for luck? / {n} fills in a lottery ticket, which number for sure?
? Which raffle ticket should I pick for {n}? / Which number does {n} swear by? / {n} and luck: which number?
? What number is lucky for {n}? / Which number does {n} always choose? / What would {n} bet on, which number?
? If {n} had to pick a number, which? / Tell me the number that {n} trusts.
! What number does {n} think is lucky? / At roulette, what would {n} play? / Which number is special to {n}?
m? What is my lucky number? / Which number brings me luck?
m! What number do I think is lucky? / Which number is special to me?

fear | many | spiders; heights; thunder; lifts; snakes; the dark; deep water; clowns; flying; needles; moths; crowds; \
public speaking; ghosts; horses; tunnels | what {n} is afraid of
= {n} is afraid of {v}. / {n}'s biggest fear is {v}. / {n} is terrified of {v}.
i I am afraid of {v}. / My biggest fear is {v}.
? What is {n} afraid of? / What is {n}'s biggest fear? / What makes {n} scream?
? What should we spare {n} because it is frightening? / What phobia does {n} have? / What gives {n} the creeps?
? What would {n} run away from? / {n} and fears: what is it? / What frightens {n}? / What is {n} scared of?
? What can {n} not face? / What should I never surprise {n} with, because of a phobia? / Which thing makes {n} tremble?
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
? What has {n} put in the calendar for next month? / {n} and next month: what's the plan? / What will {n} do next month?
? What is {n} planning? / What's coming up for {n} in the next weeks? / What has {n} decided to do?
? Which plans did {n} tell us about?
! Which plan does {n} have for next month? / What does {n} intend to do soon? / What project awaits {n} next month?
m? What do I plan for next month? / What am I going to do next month?
m! Which plan do I have for next month? / What did I say I intend to do soon?

exam | changes | date | the date of {n}'s exam
= {n} has an exam on {v}. / {n}'s exam takes place on {v}. / The date of {n}'s exam is {v}.
i I have an exam on {v}. / My exam takes place on {v}.
? When is {n}'s exam? / On what date does {n} sit the exam? / What is the date of {n}'s test?
? Until when does {n} have to study? / On which day should I wish {n} luck in the exam room?
? From which day is {n} done with the exam? / When does {n} have to show what was learned? / {n} and the exam: what day?
? Which date is {n}'s exam on? / When must {n} be ready for the exam? / When is the test that {n} is studying for?
? When should I not disturb {n} because of an exam? / What day does {n}'s exam fall on?
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
? What does {n} take every morning for health? / What drug should I remind {n} to take? / {n} and medicine: what is it?
? What does {n} have to take? / What is in {n}'s pill box? / What is {n} treated with?
? What did the doctor tell {n} to use? / Which drug is {n} on?
! What is {n}'s daily medicine? / What remedy was {n} told to use? / What is on {n}'s prescription?
m? Which medicine do I take? / What did the doctor prescribe for me?
m! What is my daily medicine? / What is on my prescription?

bedtime | changes | time | the time when {n} goes to bed
= {n} goes to bed at {v}. / {n}'s bedtime is {v}. / {n} is asleep from {v} on.
i I go to bed at {v}. / My bedtime is {v}.
? When does {n} go to bed? / What is {n}'s bedtime? / At what time does {n} fall asleep?
? Until when can I call {n} in the evening? / How late does {n} stay up? / From what time on is {n} asleep?
? When does {n} switch the light off at night? / {n} and sleep: at what time? / How late does {n} go to sleep?
? What time is lights out for {n}? / When does {n} hit the pillow? / By when should we let {n} go to bed?
? When is {n} in bed?
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
? {n} gave us a promise, what was it? / What can we hold {n} to? / {n} and promises: what was it?
? What did {n} swear to do? / What did {n} say would be done for sure? / What is {n} committed to do for us?
? What assurance did {n} give? / Which of {n}'s promises is still open?
! What did {n} give their word on? / Which promise did {n} make? / What has {n} pledged to do?
m? What did I promise? / Which promise should I keep?
m! What did I give my word on? / What did I pledge to do?
"""
