// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ECDSA} from "solady/utils/ECDSA.sol";
import {Coordinator} from "infernet-sdk/Coordinator.sol";
import {EIP712Coordinator} from "infernet-sdk/EIP712Coordinator.sol";
import {DelegatedInfernetTest} from "../../mocks/infernet/DelegatedInfernetTest.sol";
import {RecordingConsumer} from "../../mocks/infernet/RecordingConsumer.sol";

contract EIP712CoordinatorCreateSubscriptionDelegateeTest is DelegatedInfernetTest {
    /// @dev The order of the curve: s and N - s sign alike.
    uint256 internal constant N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    bytes4 internal expired = EIP712Coordinator.SignatureExpired.selector;
    bytes4 internal mismatch = EIP712Coordinator.SignerMismatch.selector;
    bytes4 internal invalid = ECDSA.InvalidSignature.selector;

    function refused(Signed memory signed, bytes4 expected, string memory what) internal {
        assertReverts(node, address(coordinator), creation(signed), expected, what);
    }

    function test_eip712Domain_isTheDocumentedOne() public view {
        (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        ) = coordinator.eip712Domain();

        assertEq(bytes32(fields), bytes32(bytes1(0x0f)), "fields");
        assertEq(name, "InfernetCoordinator", "name");
        assertEq(version, "1", "version");
        assertEq(chainId, 31_337, "chainId");
        assertEq(verifyingContract, address(coordinator), "verifyingContract");
        assertEq(salt, bytes32(0), "salt");
        assertEq(extensions.length, 0, "extensions");
        assertEq(coordinator.EIP712_NAME(), name, "EIP712_NAME");
        assertEq(coordinator.EIP712_VERSION(), version, "EIP712_VERSION");
    }

    function test_hashes_areTheDocumentedOnes() public view {
        assertEq(SUB_TYPEHASH, 0x3da81ed66ee47395e568c52867826ec137777eef9c1bdfb6bf972dd4385bc5a9, "Subscription");
        assertEq(
            DELEGATE_TYPEHASH,
            0xba9ff1aef2b048b42767aade2b901745a3acf14f698a9ec13952098cfd03d0b6,
            "DelegateSubscription"
        );
        assertEq(
            domainSeparator(), 0x10c951d595d1a987d17c9170c1eae194ce8a52d760f2ef8c7f4120f9c4fe0554, "domain separator"
        );
        assertEq(signer, 0xe05fcC23807536bEe418f142D19fa0d21BB0cfF7, "signer");

        Signed memory a = vectorA();
        assertEq(subHash(a.sub), 0xab551d6d1de1a20fc934974513cdc6493012c34726b55caf393306ea8c0507a2, "subHash A");
        assertEq(structHash(a), 0x5bc692576ffe456af88c89c8117d0d12c7a757881c955eb17b4015b826d76997, "structHash A");
        assertEq(digest(a), 0x4839d780e28027ce2498a37e605d209536e29181f27f9c259d774c1d07f718f9, "digest A");

        Signed memory b = vectorB();
        assertEq(subHash(b.sub), 0xe7b4709519a58853cb9aafc8a422b6fe6669a3bce69d38846d32b3c567a3a551, "subHash B");
        assertEq(structHash(b), 0x039d611df96dd457076f91e99681659bfa2ee6da28cae9dd1dbdb7f0dbea2ff2, "structHash B");
        assertEq(digest(b), 0x3cb1212435bdd19f12a640c27987f0acaeeb278b6a2345b3243f96494bff5a60, "digest B");
    }

    function test_hashes_areSignedAlikeHere() public view {
        assertSignature(sign(vectorA()), vectorA(), "A");
        assertSignature(sign(vectorB()), vectorB(), "B");
    }

    function test_createSubscriptionDelegatee_acceptsVectorA() public {
        assertEq(
            keccak256(abi.encode(OWNER_A, uint32(5))),
            0x502de473e8576b61c0618b0476d543cddcc563a8c13b7ec7b131acebd8b7ba9d,
            "key"
        );

        vm.expectEmit(address(coordinator));
        emit Coordinator.SubscriptionCreated(1);
        uint32 id = create(vectorA());

        assertEq(id, 1, "id");
        assertEq(abi.encode(coordinator.getSubscription(id)), abi.encode(vectorA().sub), "stored as signed");
        assertEq(coordinator.delegateCreatedIds(keccak256(abi.encode(OWNER_A, uint32(5)))), id, "delegateCreatedIds");
        assertEq(coordinator.maxSubscriberNonce(OWNER_A), 5, "maxSubscriberNonce");
    }

    function test_createSubscriptionDelegatee_acceptsVectorB() public {
        uint32 id = create(vectorB());

        assertEq(abi.encode(coordinator.getSubscription(id)), abi.encode(vectorB().sub), "stored as signed");
        assertEq(coordinator.maxSubscriberNonce(OWNER_B), 7, "maxSubscriberNonce");
    }

    function test_createSubscriptionDelegatee_usesTheDocumentedSlots() public {
        create(vectorA());

        bytes32 nonce = vm.load(address(coordinator), keccak256(abi.encode(OWNER_A, uint256(5))));
        assertEq(uint256(nonce), 5, "maxSubscriberNonce");
        bytes32 key = keccak256(abi.encode(OWNER_A, uint32(5)));
        bytes32 id = vm.load(address(coordinator), keccak256(abi.encode(key, uint256(6))));
        assertEq(uint256(id), 1, "delegateCreatedIds");
    }

    function test_createSubscriptionDelegatee_refusesVectorAChanged() public {
        create(vectorA());

        Signed memory changed = vectorA();
        changed.nonce = 6;
        refused(changed, mismatch, "nonce 6");
        changed.expiry = 1;
        refused(changed, expired, "expiry 1");
        changed = vectorA();
        changed.nonce = 6;
        changed.v = 5;
        refused(changed, invalid, "v 5");
    }

    function test_createSubscriptionDelegatee_returnsTheIdOfAUsedNonceUnchecked() public {
        uint32 id = create(vectorA());
        Signed memory nonsense = vectorA();
        nonsense.expiry = 1;
        nonsense.v = 5;
        nonsense.r = bytes32(0);
        nonsense.sub.frequency = 999;
        nonsense.sub.wallet = payable(stranger);

        assertEq(create(nonsense), id, "same id");

        assertEq(coordinator.id(), id + 1, "nothing was created");
        assertEq(abi.encode(coordinator.getSubscription(id)), abi.encode(vectorA().sub), "nothing was changed");
    }

    /// @dev Every case also violates all the conditions that come after the one it is about.
    function test_createSubscriptionDelegatee_checksInOrder() public {
        Signed memory bad = vectorA();
        bad.sub.owner = stranger;
        bad.v = 5;
        bad.expiry = uint32(START);
        refused(bad, expired, "2: expiry is now");

        bad.expiry = uint32(START) + 1;
        refused(bad, invalid, "3: v 5");

        bad.v = 28;
        assertReverts(node, address(coordinator), creation(bad), bytes(""), "4: owner without code");

        bad.sub.owner = OWNER_A;
        refused(bad, mismatch, "5: signed something else");
        assertEq(coordinator.id(), 1, "nothing was created");
    }

    function test_createSubscriptionDelegatee_acceptsOnlyTwoRecoveryIds() public {
        uint8[6] memory wrong = [0, 1, 26, 29, 55, 255];
        for (uint256 i = 0; i < wrong.length; i++) {
            Signed memory bad = vectorA();
            bad.v = wrong[i];
            refused(bad, invalid, "v");
        }

        Signed memory other = vectorA();
        other.v = 27;
        assertReverts(node, address(coordinator), creation(other), mismatch, "v 27 recovers another account");
    }

    function test_createSubscriptionDelegatee_refusesNumbersOutsideTheCurve() public {
        Signed memory bad = vectorA();
        bad.r = bytes32(0);
        refused(bad, invalid, "r 0");
        bad = vectorA();
        bad.s = bytes32(0);
        refused(bad, invalid, "s 0");
        bad.s = bytes32(N);
        refused(bad, invalid, "s N");
    }

    function test_createSubscriptionDelegatee_acceptsHighS() public {
        Signed memory high = vectorA();
        high.s = bytes32(N - uint256(high.s));
        high.v = 27;

        assertEq(create(high), 1, "id");
    }

    function test_createSubscriptionDelegatee_takesNoncesInAnyOrder() public {
        Signed memory low = vectorA();
        low.nonce = 0;

        assertEq(create(vectorA()), 1, "nonce 5");
        assertEq(create(sign(low)), 2, "nonce 0");

        assertEq(coordinator.maxSubscriberNonce(OWNER_A), 5, "the highest stays");
        assertEq(create(sign(low)), 2, "nonce 0 again");
    }

    function test_createSubscriptionDelegatee_keepsNoncesPerOwner() public {
        Signed memory other = vectorA();
        other.sub.owner = OWNER_B;

        assertEq(create(vectorA()), 1, "owner A");
        assertEq(create(sign(other)), 2, "owner B");
    }

    function test_createSubscriptionDelegatee_doesNotMoveTheStart() public {
        Signed memory signed = vectorB();
        signed.sub.activeAt = type(uint32).max;

        uint32 id = create(sign(signed));

        assertEq(coordinator.getSubscription(id).activeAt, type(uint32).max, "activeAt");
    }

    function test_createSubscriptionDelegatee_followsTheSigner() public {
        create(vectorA());
        RecordingConsumer(OWNER_A).setSigner(stranger);
        Signed memory next = vectorA();
        next.nonce = 6;

        refused(sign(next), mismatch, "the old signer");
        assertEq(create(vectorA()), 1, "what exists stays");
    }

    function test_createSubscriptionDelegatee_isBoundToTheChain() public {
        vm.chainId(1);
        refused(vectorA(), mismatch, "chain 1");

        assertEq(create(sign(vectorA())), 1, "signed for chain 1");
    }

    function test_cancelSubscription_isForTheOwnerOnlyNotForTheSigner() public {
        uint32 id = create(vectorA());
        bytes memory call = abi.encodeCall(Coordinator.cancelSubscription, (id));

        assertReverts(signer, address(coordinator), call, Coordinator.NotSubscriptionOwner.selector, "signer");
        RecordingConsumer(OWNER_A).cancel(id);

        assertEq(coordinator.getSubscription(id).activeAt, type(uint32).max, "activeAt");
    }

    function assertSignature(Signed memory actual, Signed memory expected, string memory what) internal pure {
        assertEq(actual.v, expected.v, string.concat("v ", what));
        assertEq(actual.r, expected.r, string.concat("r ", what));
        assertEq(actual.s, expected.s, string.concat("s ", what));
    }
}
