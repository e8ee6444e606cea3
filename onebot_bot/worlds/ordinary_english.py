"""English turns that call for no memory of anybody: what a chat is mostly made of. Divided by line and " / "."""

TURNS = """
Hi! / Hello there. / Good morning! / Good evening, everyone. / Hey, what's up? / Are you there?
How are you today?
Good night, sleep well. / See you tomorrow! / Bye for now. / Thanks a lot! / Thank you, that helped.
You're welcome.
Sorry, I was away. / Back again. / Happy new year! / Have a nice weekend. / Long time no see. / What's new?
Welcome back! / Haha, that's so funny. / lol / No way! / Really? / Wow, that's amazing. / Oh no, that's sad.
OK.
Fine by me. / I agree with that. / I don't think so. / Maybe later. / Never mind. / That makes sense.
You are right about that. / Nice one! / I'm so tired today. / I'm bored, talk to me. / It's raining again.
What a hot day. / I just got home. / I'm stuck in traffic. / I had a terrible day. / I'm in a good mood.
My head hurts a little. / I can't sleep. / I'm hungry. / Dinner is ready, brb. / The bus was late again.
I finally finished the report. / I lost my keys and found them again. / The coffee here is awful.
We won the match!
Our train leaves in ten minutes. / I dropped my umbrella somewhere. / The lift is broken again.
What is the capital of Australia? / Who wrote Hamlet? / How far away is the moon? / Why is the sky blue?
What is DNA? / When did the Second World War end? / How many legs does a spider have?
What is the boiling point of water? / Which planet is the largest? / Who painted the Mona Lisa?
What language do people speak in Brazil? / How do magnets work? / What is the longest river in the world?
Why do leaves turn red in autumn? / How do bees make honey? / What is inflation? / What does a stethoscope do?
How tall is Mount Everest? / What is a black hole? / Who invented the telephone?
What is the difference between weather and climate? / Why do cats purr? / How do vaccines work?
What is photosynthesis? / In which year did people first land on the moon? / What are prime numbers?
How do planes stay in the air? / What is 12 times 8? / What is 144 divided by 12? / Add 27 and 58.
What is the square root of 81? / Is 91 a prime number? / How many minutes are in a day?
Convert 5 miles to kilometres. / What is 15 percent of 200? / Solve x + 7 = 12.
What is three quarters as a decimal?
Sort these numbers: 4, 9, 1, 7. / How many sides does a hexagon have? / Translate "good night" into French.
How do you say "thank you" in Japanese? / What does "ubiquitous" mean? / Spell the word "necessary".
Give me a synonym for "happy". / What is the plural of "mouse"? / Use "however" in a sentence.
Correct this sentence: "He go to school." / Is it "affect" or "effect" here? / What rhymes with "light"?
Write a haiku about autumn. / Tell me a joke. / Tell me a short story about a dragon.
Write a poem about the sea.
Write a birthday wish I can send to a colleague. / Make up a name for a coffee shop. / Give me a riddle.
Draft a polite email asking for a refund. / Summarise this in one line: the meeting was moved to Monday.
Write a slogan for a bakery. / Invent a funny excuse for being late. / Describe a sunset in two sentences.
Sing me a song. / How do I boil an egg? / Give me a recipe for pancakes. / How do I get a coffee stain out?
How do I tie a tie? / How do I make my computer faster? / How do I reset a router?
How can I learn to type faster?
How do I repot a plant? / How do I write a loop in Python? / What does this error mean: index out of range?
What is the difference between a list and a tuple? / Write a function that reverses a string.
What does git rebase do? / How do I centre a div? / What is an API? / Explain recursion to a child.
What is a regular expression? / How do I undo the last commit? / Do you like music?
What do you think about remote work? / Tea or coffee? / Are robots going to take our jobs?
Is it better to get up early? / What makes a good friend? / Would you rather fly or be invisible?
Do aliens exist?
Which is better, summer or winter? / Is a hot dog a sandwich? / What should I watch tonight?
Recommend me a good book. / Can you recommend a podcast? / What could I cook with eggs and rice?
Where should tourists go in Italy? / What are you? / Who made you? / What can you do? / Are you a robot?
What is your name? / Do you ever sleep? / How old are you? / Can you keep a secret? / Say something nice.
Let's play a game. / Flip a coin. / Pick a number from one to ten. / Count to five. / Name three fruits.
List five animals that lay eggs. / Give me two tips for better sleep. / How can I concentrate better?
What is a healthy breakfast? / How much water should one drink a day? / How do I get rid of hiccups?
I need some motivation. / Cheer me up. / I'm nervous about tomorrow. / I don't know what to wear.
Life is strange sometimes. / My team lost again, sigh. / The new phone is out and it's so expensive.
Did you see the news? / That film was too long. / The wifi is down. / I need a holiday.
This song is stuck in my head. / The neighbours are loud again. / Mondays, am I right?
"""

MENTIONS = """
{n} just joined the group. / Say hello to {n}! / {n} is late again, haha. / I met {n} on the bus this morning.
{n} is so funny. / {n}, are you coming tonight? / {n} and I are having lunch. / {n} sent me a sticker.
Thank you, {n}! / {n} fell asleep in the meeting, lol. / Let's wait for {n}.
I'm chatting with {n} on the other phone. / {n} says hi. / Write a short thank-you note to {n}.
{n} beat me at cards today. / Do you think {n} is a pretty name? / {n} is typing. / {n} was right after all.
I'm sitting next to {n}. / Wish {n} a good trip! / {n} laughed so hard. / Tell {n} a joke. / Spell the name {n}.
{n} just left. / I owe {n} a coffee, haha. / {n} posted a nice picture. / Make up a rhyme about {n}.
{n}, wake up! / Good night, {n}. / {n}, are you there? / Happy birthday, {n}! / Sorry, {n}, I was busy.
{n}, nice one!
{n}, what do you think? / {n}, can you hear me? / Did you see that, {n}? / {n} is on the way. / Well done, {n}!
{n} will be here in five minutes. / I agree with {n}. / {n}, that was not funny, haha.
Good luck tomorrow, {n}!
Ask {n} to bring some snacks. / {n} and I are watching the match. / {n} forgot the password again, lol.
I just called {n}, nobody picked up. / {n}, let's play another round. / See you at eight, {n}. / {n} won again!
Welcome, {n}! / {n} is muted, can anyone tell? / Who invited {n}? / {n} broke the printer, haha. / Poor {n}.
{n}, please stop spamming. / I had a dream about {n} last night. / {n} told me a good joke today.
Write a short poem for {n}. / Say something nice to {n}. / {n}, thanks for the help yesterday.
"""
"""With a person in them, and still nothing to remember."""

PATTERNS = """
What is {a} plus {b}? / What is {a} times {b}? / Is {a} larger than {b}? / Count from {a} to {b}.
What is {b} minus {a}? / Give me {a} words that start with the letter S. / Write a sentence of {a} words.
How many days are in {a} weeks? / Convert {a} dollars to cents. / Set a timer for {a} minutes, if you can.
Roll a die with {b} sides. / What is {a} squared?
What is the capital of {country}? / What is the weather like in {country} in winter?
Which currency is used in {country}?
Is {country} a big country? / What food is {country} known for? / How many people live in {country}?
Which continent is {country} on? / What should I see in {country}? / Is {country} expensive for tourists?
How long is a flight to {country}? / Tell me a fun fact about {country}.
What is the national animal of {country}?
Who is the president of {country}? / What do people in {country} eat for breakfast?
Do I need a visa for {country}?
When is the best time to visit {country}? / Which sea is near {country}? / What is the flag of {country} like?
How do you say hello in {country}? / Name two cities in {country}. / What music comes from {country}?
What is {topic}? / Explain {topic} in simple words. / Who discovered {topic}? / Why is {topic} important?
Where can I read about {topic}? / Is {topic} hard to learn? / Give me an example of {topic}.
Write two lines on {topic}.
What do you think about {topic}? / How does {topic} work? / Quiz me on {topic}.
I have an exam on {topic}, wish me luck.
I read something about {topic} today. / Let's talk about {topic}. / What is new in {topic}?
How do I cook {food}? / Is {food} healthy? / What goes well with {food}?
How long does {food} keep in the fridge?
I could eat {food} every day, haha. / Where does {food} come from? / What do I need for {food}?
How many calories are in {food}? / Can I freeze {food}? / I burned the {food} again. / Who wants {food}?
What does {animal} eat? / How long does {animal} live? / Where does {animal} sleep? / How fast is {animal}?
Can {animal} swim? / What sound does {animal} make? / Why do people like {animal} so much?
Draw me {animal}, in words.
I saw {animal} in the park today. / Is {animal} dangerous? / What would {animal} say if it could talk?
How do I fix {thing}? / How do I clean {thing}? / How much does {thing} cost? / Who invented {thing}?
Where can I buy {thing}? / Oh no, {thing} is broken again. / Is it worth buying {thing}?
How does {thing} work?
What is {thing} made of? / Describe {thing} to somebody who has never seen one. / I can't find {thing} anywhere.
Would you rather have {thing} or a holiday? / What was there before {thing}? / How do I take {thing} on a plane?
"""

SLOTS = {
    "country": "Norway / Spain / Japan / Kenya / Peru / Canada / Egypt / India / Greece / Poland / Chile"
    " / Vietnam / Turkey"
    " / Iceland / Cuba / Nepal / Finland / Morocco / Italy / Germany / France / Mexico / Portugal / Thailand"
    " / Brazil"
    " / Australia / China / Korea / Scotland / Texas",
    "topic": "gravity / chess / probability / democracy / the water cycle / electricity / jazz / yoga"
    " / evolution"
    " / machine learning / the French Revolution / bread baking / the stock market / geometry / grammar"
    " / poetry"
    " / climate change / astronomy / the Roman Empire / photosynthesis / Python / cryptography / opera"
    " / surfing"
    " / the immune system / origami / economics / the Silk Road / renewable energy / football",
    "food": "rice / noodles / tomato soup / sourdough bread / roast chicken / dumplings / lentils / pancakes"
    " / curry"
    " / sushi / potato salad / cheese / chocolate cake / oatmeal / scrambled eggs / apple pie / tofu / pizza",
    "animal": "a penguin / a fox / a tortoise / an owl / a whale / a hedgehog / a camel / a bee / an octopus"
    " / a lion"
    " / a squirrel / a crocodile / a parrot / a goat / a spider / a panda / a horse / a bat",
    "thing": "the bike / the washing machine / a laptop / the camera / a tent / the kettle / a keyboard"
    " / the oven"
    " / the microscope / a violin / the heater / a lamp / the headphones / a drone / the toaster / a suitcase",
}
"""What fills the other places of the patterns; numbers fill `{a}` and `{b}`."""

REPLIES = """
Sure! / Haha, that's true. / Sounds good. / I'm glad to hear that. / Let me think about it. / Of course.
Oh, I see.
That's interesting! / Take it easy. / Good question. / I'm here if you need me. / No problem at all.
Ha, nice one.
"""
"""What the bot said in between."""
