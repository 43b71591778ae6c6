// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

interface Erc20 {
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

interface SigningWallet {
    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4);
}

struct TokenPermissions {
    address token;
    uint256 amount;
}

struct PermitTransferFrom {
    TokenPermissions permitted;
    uint256 nonce;
    uint256 deadline;
}

struct SignatureTransferDetails {
    address to;
    uint256 requestedAmount;
}

/// The part of Permit2 that x402 pays by, transfers that a signature allows once, written by Farebox for local chains, where the
/// deployed code cannot be had. Typed data, functions, event and refusals, and the order of the latter, are those of the deployed
/// contract's public interface; the inside is ours. It has no constructor and no storage to set up, so that its code can be laid at
/// the genuine address.
contract Permit2 {
    event UnorderedNonceInvalidation(address indexed owner, uint256 word, uint256 mask);

    error SignatureExpired(uint256 signatureDeadline);
    error InvalidAmount(uint256 maxAmount);
    error InvalidNonce();
    error InvalidSignatureLength();
    error InvalidSignature();
    error InvalidSigner();
    error InvalidContractSignature();

    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME_HASH = keccak256("Permit2");
    bytes32 private constant TOKEN_PERMISSIONS_TYPEHASH = keccak256("TokenPermissions(address token,uint256 amount)");
    string private constant WITNESS_TYPE_STUB =
        "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,";

    bytes4 private constant WALLET_AGREES = 0x1626ba7e;

    /// The used nonces of an owner, 256 to a word.
    mapping(address owner => mapping(uint256 word => uint256 bits)) public nonceBitmap;

    function DOMAIN_SEPARATOR() public view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, block.chainid, address(this)));
    }

    /// Moves what `owner` has signed for, once, for the caller alone, and only with the witness it was signed with.
    function permitWitnessTransferFrom(
        PermitTransferFrom calldata permit,
        SignatureTransferDetails calldata transferDetails,
        address owner,
        bytes32 witness,
        string calldata witnessTypeString,
        bytes calldata signature
    ) external {
        if (block.timestamp > permit.deadline) revert SignatureExpired(permit.deadline);
        if (transferDetails.requestedAmount > permit.permitted.amount) revert InvalidAmount(permit.permitted.amount);
        use(owner, permit.nonce);
        verify(digestOf(permit, witness, witnessTypeString), owner, signature);
        move(permit.permitted.token, owner, transferDetails.to, transferDetails.requestedAmount);
    }

    /// Takes back whatever the caller has signed under these nonces and nobody has used yet.
    function invalidateUnorderedNonces(uint256 wordPos, uint256 mask) external {
        nonceBitmap[msg.sender][wordPos] |= mask;
        emit UnorderedNonceInvalidation(msg.sender, wordPos, mask);
    }

    function use(address owner, uint256 nonce) private {
        uint256 bit = 1 << (nonce & 0xff);
        uint256 before = nonceBitmap[owner][nonce >> 8];
        if (before & bit != 0) revert InvalidNonce();
        nonceBitmap[owner][nonce >> 8] = before | bit;
    }

    function digestOf(PermitTransferFrom calldata permit, bytes32 witness, string calldata witnessTypeString)
        private
        view
        returns (bytes32)
    {
        bytes32 permissions =
            keccak256(abi.encode(TOKEN_PERMISSIONS_TYPEHASH, permit.permitted.token, permit.permitted.amount));
        bytes32 typeHash = keccak256(abi.encodePacked(WITNESS_TYPE_STUB, witnessTypeString));
        bytes32 data =
            keccak256(abi.encode(typeHash, permissions, msg.sender, permit.nonce, permit.deadline, witness));
        return keccak256(abi.encodePacked(hex"1901", DOMAIN_SEPARATOR(), data));
    }

    /// Takes 65 bytes, and the 64 of EIP-2098. An account with code is asked instead.
    function verify(bytes32 digest, address owner, bytes calldata signature) private view {
        if (owner.code.length > 0) {
            if (SigningWallet(owner).isValidSignature(digest, signature) != WALLET_AGREES) {
                revert InvalidContractSignature();
            }
            return;
        }
        bytes32 r;
        bytes32 s;
        uint8 v;
        if (signature.length == 65) {
            r = bytes32(signature[0:32]);
            s = bytes32(signature[32:64]);
            v = uint8(signature[64]);
        } else if (signature.length == 64) {
            uint256 both = uint256(bytes32(signature[32:64]));
            r = bytes32(signature[0:32]);
            s = bytes32(both & ((1 << 255) - 1));
            v = uint8(both >> 255) + 27;
        } else {
            revert InvalidSignatureLength();
        }
        address signer = ecrecover(digest, v, r, s);
        if (signer == address(0)) revert InvalidSignature();
        if (signer != owner) revert InvalidSigner();
    }

    /// Some tokens answer nothing when they have moved. What a token says when it has not is not passed on.
    function move(address token, address from, address to, uint256 amount) private {
        (bool success, bytes memory said) = token.call(abi.encodeCall(Erc20.transferFrom, (from, to, amount)));
        bool moved = success && (said.length == 0 ? token.code.length > 0 : abi.decode(said, (bool)));
        require(moved, "TRANSFER_FROM_FAILED");
    }
}
