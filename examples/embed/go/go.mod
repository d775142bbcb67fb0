module example.org/kerf

go 1.18
