package plan

import "testing"

func BenchmarkForecast(b *testing.B) {
	for b.Loop() {
		if _, err := Forecast(fiftyFifty(errorRate, slower, answers, confidence), habits()); err != nil {
			b.Fatal(err)
		}
	}
}
