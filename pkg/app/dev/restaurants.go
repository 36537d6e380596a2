package dev

// dish is something to order, at a price in minor units.
type dish struct {
	Name, About string
	Price       int64
}

// restaurant is one of the three that there are here. Its secret and its keys are
// made at the first run.
type restaurant struct {
	id, name, slug, currency string
	menu                     []dish
	secret                   string // with which deliveries to its endpoint are signed
	stripeKey                string // with which Stripe is asked
	shopKey                  string // with which its shop creates orders
}

func restaurants() []*restaurant {
	return []*restaurant{
		{id: "dev_marco", name: "Trattoria da Marco", slug: "trattoria-da-marco", currency: "eur", menu: []dish{
			{"Margherita", "Tomato, mozzarella, basil", 950},
			{"Diavola", "Tomato, mozzarella, spicy salami", 1150},
			{"Tagliatelle al ragù", "Cooked for four hours", 1380},
			{"Tiramisù", "Made this morning", 620},
		}},
		{id: "dev_kaito", name: "Sushi Kaito", slug: "sushi-kaito", currency: "jpy", menu: []dish{
			{"Salmon nigiri", "Two pieces", 480},
			{"Chirashi", "What the market had", 1850},
			{"Miso soup", "With tofu and wakame", 280},
			{"Matcha ice cream", "Two scoops", 420},
		}},
		{id: "dev_lucie", name: "Brasserie Lucie", slug: "brasserie-lucie", currency: "usd", menu: []dish{
			{"Steak frites", "With green pepper sauce", 2650},
			{"Moules marinières", "Half a kilo", 2190},
			{"Onion soup", "Under a crust of Comté", 1150},
			{"Crème brûlée", "Vanilla from Réunion", 890},
		}},
	}
}
