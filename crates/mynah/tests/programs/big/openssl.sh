# openssl and ssh-keygen: keys, requests and certificates made, signed and verified; files encrypted, signed, and decrypted again.
cd "$1"
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out ca.key 2> /dev/null
openssl req -x509 -new -key ca.key -subj /CN=ca -days 30 -out ca.pem
openssl ecparam -name prime256v1 -genkey -noout -out leaf.key
openssl req -new -key leaf.key -subj /CN=leaf.example.org -out leaf.csr
printf 'subjectAltName=DNS:leaf.example.org\n' > extensions
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 10 -extfile extensions -out leaf.pem 2>&1 | grep -v '^subject'
openssl verify -CAfile ca.pem leaf.pem
openssl x509 -in leaf.pem -noout -subject -issuer -ext subjectAltName
seq 100000 > data
openssl dgst -sha256 data
openssl dgst -sha256 -sign leaf.key -out signature data
openssl x509 -in leaf.pem -pubkey -noout > leaf.pub
openssl dgst -sha256 -verify leaf.pub -signature signature data
openssl enc -aes-256-cbc -pbkdf2 -pass pass:secret -in data -out sealed
openssl enc -d -aes-256-cbc -pbkdf2 -pass pass:secret -in sealed | cmp - data && echo decrypted
openssl pkcs12 -export -in leaf.pem -inkey leaf.key -certfile ca.pem -passout pass:x -out leaf.p12
openssl pkcs12 -in leaf.p12 -passin pass:x -nokeys | grep -c BEGIN
openssl rehash . 2> /dev/null && ls | grep -c '\.0$'
ls -l ca.key leaf.key leaf.p12 | cut -c 1-10
ssh-keygen -q -t ed25519 -N '' -C comment -f id
ssh-keygen -q -t rsa -b 2048 -N phrase -C comment -f rsa
ssh-keygen -y -f id | cut -d' ' -f 1,3
ssh-keygen -q -p -P phrase -N '' -f rsa > /dev/null
ssh-keygen -l -f rsa | cut -d' ' -f 1,3-
ssh-keygen -q -s id -I name -n user rsa.pub
ssh-keygen -L -f rsa-cert.pub | grep -A 1 Principals
ssh-keygen -q -Y sign -f id -n file data 2> /dev/null
printf 'me %s\n' "$(cat id.pub)" > allowed
ssh-keygen -Y verify -f allowed -I me -n file -s data.sig < data | cut -d' ' -f 1-6
ssh-keygen -q -R none -f allowed 2>&1 | tail -1
ls -l id rsa | cut -c 1-10
# None of these is the same twice.
rm -f ca.* leaf.* id* rsa* allowed* signature sealed data.sig ./*.0
